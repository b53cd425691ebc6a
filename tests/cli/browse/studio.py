"""The pages that generate, served over a real library with a real process, and requests to them."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from sega_cli.browse.jobs.queue import Job, JobQueue
from sega_cli.browse.jobs.streams import Streams
from sega_cli.browse.studio import Studio as SiteStudio
from sega_store import Library
from tests.cli.browse.serving import Reply, Served, served


@dataclass(frozen=True)
class Studio:
    """A server whose pages generate.

    Attributes:
        served: The server.
        queue: Its jobs.
        streams: Its event streams.
        pictures: Where pictures are kept.
    """

    served: Served
    queue: JobQueue
    streams: Streams
    pictures: Path

    @property
    def library(self) -> Library:
        """What it shows."""
        return self.served.library

    def post(
        self,
        path: str,
        form: Sequence[tuple[str, str]] = (),
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Sends a form as a browser without scripts does from a page of ours."""
        own = {"Origin": self.served.address, "Content_Type": "application/x-www-form-urlencoded"}
        return self.served.ask(
            path, "POST", urlencode(form).encode() if body is None else body, **{**own, **(headers or {})}
        )

    def id_of(self, concept: str, seed: int = 21) -> str:
        """The vector of a concept and seed."""
        return next(entry.id for entry in self.library.search(concept=concept) if entry.seed == seed)

    def last(self) -> Job:
        """The newest job."""
        return self.queue.list()[0]


@contextmanager
def studio(library: Path, folder: Path, most_waiting: int) -> Iterator[Studio]:
    """Serves the pages over a copy of a library."""
    copy = folder / "library"
    shutil.copytree(library, copy)
    with closing(JobQueue(copy, most_waiting=most_waiting)) as queue:
        own = SiteStudio(queue, folder / "kept")
        with served(Library(copy), own) as server:
            yield Studio(server, queue, own.streams, folder / "kept")


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Waits for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)
