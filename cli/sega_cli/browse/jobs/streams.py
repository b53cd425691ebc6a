"""Server-sent events: a job's progress, as a browser's `EventSource` reads it.

A stream looks at the progress ten times a second rather than being told of each change: so a job waits for no listener,
a slow one gets what is newest when it reads on, and nothing piles up. It costs a comparison, and no thread.
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
    """The streams that are open.

    Args:
        most: How many may be.
    """

    def __init__(self, most: int = MOST_STREAMS) -> None:
        self.most = most
        self.open = 0

    def check(self) -> None:
        """Refuse one stream more where there are too many.

        Raises:
            TooManyStreamsError: There are.
        """
        if self.open >= self.most:
            raise TooManyStreamsError(f"{self.most} pages follow jobs already: close some, then load this one again.")

    async def events(
        self, state: Callable[[], tuple[dict[str, Any], bool]], ended: Callable[[], bool]
    ) -> AsyncGenerator[str, None]:
        """The events of one stream.

        Args:
            state: What there is to tell, and whether nothing will come after it.
            ended: Whether the server is about to end.
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
