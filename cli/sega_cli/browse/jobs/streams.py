"""Server-sent events: a job's progress, as a browser's `EventSource` reads it.

A stream looks at the progress ten times a second instead of being told of each change. So a job waits for no listener,
a slow listener gets the newest progress when it reads on, and nothing piles up. Each look costs one comparison, and no
stream needs a thread.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

from sega_store import SegaError

PAUSE_SECONDS = 0.1
HEARTBEAT_SECONDS = 15.0
MOST_STREAMS = 200


class TooManyStreamsError(SegaError):
    """More pages follow jobs than the server takes."""


class Streams:
    """The streams that are open, at most `most` of them."""

    def __init__(self, most: int = MOST_STREAMS) -> None:
        self.most = most
        self.open = 0

    def check(self) -> None:
        """Refuse another stream if as many are open as may be.

        Raises:
            TooManyStreamsError: As many are open as may be.
        """
        if self.open >= self.most:
            raise TooManyStreamsError(f"{self.most} pages follow jobs already: close some, then load this one again.")

    async def events(
        self, state: Callable[[], tuple[dict[str, Any], bool]], ended: Callable[[], bool]
    ) -> AsyncGenerator[str, None]:
        """The events of one stream.

        Args:
            state: Gives the progress to send, and whether it is the last.
            ended: Tells whether the server is about to end.
        """
        self.open += 1
        try:
            told, at = "", time.monotonic()
            while not ended():
                document, over = state()
                text = json.dumps(document)
                if text != told:
                    yield f"data: {text}\n\n"
                    told, at = text, time.monotonic()
                elif time.monotonic() - at > HEARTBEAT_SECONDS:
                    yield ": still here\n\n"
                    at = time.monotonic()
                if over:
                    return
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            self.open -= 1
