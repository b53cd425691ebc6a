"""Jobs: orders in a queue, and their progress. One process works on them; see `sega_cli.browse.jobs.worker`.

A job's progress is one immutable value, replaced as the job goes on. Listeners read it when they like, so there may be
any number of them, and nothing waits for one that is slow or gone.
"""

import itertools
import multiprocessing
import signal
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from sega_cli.browse.jobs import worker
from sega_cli.browse.jobs.messages import Cancel, Doing, Ended, Event, Kept, LivePicture, Made, Note, Start, State, Step
from sega_cli.browse.jobs.orders import Order
from sega_cli.options import Place
from sega_store import SegaError


class BusyError(SegaError):
    """The queue is full."""


@dataclass(frozen=True)
class Progress:
    """How far a job has come.

    Attributes:
        version: Larger with each change.
        state: `queued`, `running`, `done`, `failed` or `cancelled`.
        doing, done, count: As the last `Doing` or `Step` said.
        reason: Why it failed.
        runs: How many runs have begun, each of which makes a picture.
        shot: The picture that is being made, if any.
        live: The last unfinished picture.
        pictures: The finished pictures, by shot.
        kept, new: As `Kept` said.
    """

    version: int = 0
    state: State = "queued"
    doing: str = ""
    reason: str = ""
    runs: int = 0
    shot: int | None = None
    done: int = 0
    count: int = 0
    live: LivePicture | None = None
    pictures: Mapping[int, Made] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    new: bool = False

    @property
    def over(self) -> bool:
        """Whether the job is over, so that nothing will change any more."""
        return self.state in ("done", "failed", "cancelled")

    def after(self, event: Event) -> "Progress":
        """The progress after an event."""
        changes: dict[str, Any] = {}
        match event:
            case Doing(text):
                changes = {"doing": text, "shot": None, "done": 0, "count": 0}
            case Step(shot, done, count):
                runs = self.runs + (shot != self.shot)
                changes = {"doing": "", "runs": runs, "shot": shot, "done": done, "count": count}
            case LivePicture():
                changes = {"live": event}
            case Made(shot):
                changes = {"pictures": {**self.pictures, shot: event}}
            case Note(text):
                changes = {"notes": (*self.notes, text)}
            case Kept(ids, new):
                changes = {"kept": ids, "new": new}
            case Ended(state, reason):
                changes = {"state": state, "reason": reason, "doing": "", "shot": None}
        return replace(self, version=self.version + 1, **changes)


@dataclass(eq=False)
class Job:
    """An order and its progress.

    Attributes:
        id: Its number.
        cancelling: Whether somebody asked to cancel it.
    """

    id: int
    order: Order
    progress: Progress = Progress()  # frozen
    cancelling: bool = False

    @property
    def bytes(self) -> int:
        """How many bytes its pictures take."""
        return sum(len(made.png) for made in self.progress.pictures.values())

    def become(self, event: Event) -> None:
        """Note an event."""
        self.progress = self.progress.after(event)


class JobQueue:
    """Jobs, which are worked on one at a time.

    The process is started with the first job, and again after a job that ended it.

    Args:
        library: Where vectors come from and go to.
        device: Where models run.
        dtype: Their precision.
        most_waiting: How many jobs may wait.
        most_kept: How many jobs that are over are remembered.
        most_bytes: How much their pictures may take together.
    """

    _patience = 10.0  # seconds that a cancelled job has to end by itself before the process is ended

    def __init__(
        self,
        library: Place,
        device: str = "auto",
        dtype: str = "auto",
        *,
        most_waiting: int = 16,
        most_kept: int = 100,
        most_bytes: int = 1 << 28,
    ) -> None:
        self._settings = library, device, dtype
        self._most_waiting, self._most_kept, self._most_bytes = most_waiting, most_kept, most_bytes
        self._jobs: OrderedDict[int, Job] = OrderedDict()
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self.process: SpawnProcess | None = None  # that generates, if there is one
        self._connection: Connection[Any, Any] | None = None

    def submit(self, order: Order) -> Job:
        """Append a job.

        Raises:
            BusyError: Too many are waiting.
        """
        with self._changed:
            waiting = sum(job.progress.state == "queued" for job in self._jobs.values())
            if waiting >= self._most_waiting or self._closing:
                raise BusyError(
                    f"{self._most_waiting} jobs may wait, and {waiting} do: try again when one is done, or cancel one."
                )
            job = Job(next(self._numbers), order)
            self._jobs[job.id] = job
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="sega-vec jobs", daemon=True)
                self._thread.start()
            self._changed.notify_all()
            return job

    def find(self, number: int) -> Job | None:
        """A job that is remembered."""
        return self._jobs.get(number)

    def list(self) -> list[Job]:
        """All jobs that are remembered, the newest first."""
        with self._changed:
            return list(self._jobs.values())[::-1]

    def ahead(self, job: Job) -> int:
        """How many jobs come before one that waits."""
        with self._changed:
            return sum(not other.progress.over for other in self._jobs.values() if other.id < job.id)

    def cancel(self, job: Job) -> None:
        """Cancel a job: a waiting one is over at once, a running one at its next step."""
        with self._changed:
            job.cancelling = True
            if job.progress.state == "queued":
                job.become(Ended("cancelled"))
            self._changed.notify_all()

    def close(self) -> None:
        """End the process and all jobs."""
        with self._changed:
            self._closing = True
            for job in self._jobs.values():
                job.cancelling = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._stop()

    def _serve(self) -> None:
        """Work on the jobs in their order until the queue is closed; the thread runs this."""
        while True:
            with self._changed:
                waiting = (job for job in self._jobs.values() if job.progress.state == "queued")
                job = next(waiting, None)
                if self._closing:
                    return
                if job is None:
                    self._changed.wait()
                    continue
                job.progress = replace(job.progress, state="running", version=job.progress.version + 1)
            try:
                self._run(job)
            except Exception as error:
                traceback.print_exc(file=sys.stderr)
                job.become(Ended("failed", f"{type(error).__name__}: {error}"))
                self._stop()
            self._forget()

    def _run(self, job: Job) -> None:
        """Have the process work on a job, until it is over."""
        process, connection = self._start()
        try:
            connection.send(Start(job.id, job.order))
            deadline: float | None = None
            while not job.progress.over:
                if job.cancelling and deadline is None:
                    connection.send(Cancel(job.id))
                    deadline = time.monotonic() + self._patience
                if self._closing or (deadline is not None and time.monotonic() > deadline):
                    self._stop()
                    job.become(Ended("cancelled"))
                elif connection.poll(0.05):
                    job.become(connection.recv())
        except (EOFError, OSError):
            self._stop()
            job.become(Ended("cancelled") if job.cancelling else Ended("failed", _obituary(process.exitcode)))

    def _start(self) -> "tuple[SpawnProcess, Connection[Any, Any]]":
        """The process and the connection to it."""
        if self.process is None or self._connection is None or not self.process.is_alive():
            self._stop()
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self.process = context.Process(
                target=worker.main, args=(theirs, *self._settings), name="sega-vec worker", daemon=True
            )
            self.process.start()
            theirs.close()
        return self.process, self._connection

    def _stop(self) -> None:
        """End the process, if there is one."""
        process, connection = self.process, self._connection
        self.process = self._connection = None
        if process is not None:
            process.kill()
            process.join()
        if connection is not None:
            connection.close()

    def _forget(self) -> None:
        """Drop the oldest jobs that are over while there are too many."""
        with self._changed:
            over = [job for job in self._jobs.values() if job.progress.over]
            total = sum(job.bytes for job in over)
            for count, job in zip(range(len(over), 1, -1), over, strict=False):
                if count <= self._most_kept and total <= self._most_bytes:
                    break
                total -= job.bytes
                del self._jobs[job.id]


def _obituary(exitcode: int | None) -> str:
    """Why the process may have ended."""
    how = f"with status {exitcode}"
    if exitcode is not None and exitcode < 0:
        how = f"by the signal {signal.Signals(-exitcode).name}"
    return (
        f"The process that generates has ended {how}, often for lack of memory. What it had finished is kept. The next"
        " job starts a new one: ask for fewer pictures, or for a smaller model."
    )
