"""Writers that contend for the vectors of one library, and what they had acknowledged against what is there.

    python -m tests.store.crowd --writers 8 --seconds 60

prints what was acknowledged and lost. It forks: a writer starts in a millisecond, and it is a process of its own that
SIGKILL ends wherever it is.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sega_store import Library, UnknownRefError
from sega_store.places import layout

from . import operations
from .writer import CONTENDED, NOISE_OF, SHARED, Writer, own


@dataclass
class Report:
    """What became of the work of writers.

    Attributes:
        seconds: How long they worked.
        operations: What they did, listing and reading included.
        acknowledged: Additions, removals and annotations that were acknowledged.
        kills: Writers killed.
        midway: Those killed within an operation, not between two.
        leftovers: Temporary files found after a kill.
        lost: What was acknowledged and isn't so.
        damaged: What is visible and isn't whole.
        failures: What a writer raised.
        left: Files found at the end, after cleaning, that nobody needs.
    """

    seconds: float = 0
    operations: int = 0
    acknowledged: int = 0
    kills: int = 0
    midway: int = 0
    leftovers: int = 0
    lost: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def fork(work: Callable[[], object], failure: Path) -> int:
    """Starts a process that does some work and ends; what it raises goes to a file."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:
        failure.write_text(traceback.format_exc())
    finally:
        os._exit(0)


def was_killed(child: int) -> bool:
    """Waits for the end of a process; whether SIGKILL was its end."""
    status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


class Crowd:
    """Writers of one library.

    Attributes:
        report: Of all that they did so far.
    """

    def __init__(self, folder: Path, writers: int, seed: int) -> None:
        self.report = Report()
        self._folder = folder
        self._writers = range(writers)
        self._library = Library(folder / "library")
        self._rng = random.Random(seed)
        self._read = dict.fromkeys(self._writers, 0)
        self._shared: set[str] = set()  # acknowledged additions
        self._unfinished: set[str] = set()  # contended vectors whose addition was begun
        self._own: dict[str, set[int | None]] = {  # the ratings that each may have, 0 for none; None: it isn't there
            each.id: {None} for writer in self._writers for each in own(writer)
        }
        self._leftovers: set[str] = set()
        self._stale: dict[str, set[int | None]] = {}  # ratings that a killed removal may have left without their vector

    def work(self, seconds: float, until_killed: bool = False, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Lets all writers work for a time, then compares what is there with what was acknowledged.

        Args:
            seconds: How long.
            until_killed: Kills each within that time, at a random moment.
            meanwhile: Called again and again, unless they are to be killed.
        """
        begin = time.monotonic()
        children = [self._start(writer, begin + seconds + 60 * until_killed) for writer in self._writers]
        if until_killed:
            self._rng.shuffle(children)
            for moment in sorted(self._rng.uniform(0, seconds) for _ in children):
                time.sleep(max(0, begin + moment - time.monotonic()))
                child = children.pop()
                os.kill(child, signal.SIGKILL)
                self.report.kills += was_killed(child)
        while time.monotonic() < begin + seconds and children:
            meanwhile()
        for child in children:
            was_killed(child)
        self.report.seconds += time.monotonic() - begin
        for failure in self._folder.glob("failure *"):
            self.report.failures.append(failure.read_text())
            failure.unlink()
        self._leftovers |= {path.name for path in self._library.root.rglob("*.tmp")}
        self.report.leftovers = len(self._leftovers)
        for writer in self._writers:
            self._replay(writer)
        self._compare()

    def end(self) -> Report:
        """Cleans up, and looks for files that nobody needs."""
        operations.clean_at_once(self._library)
        self._compare()
        entries = self._library.search()
        needed = {f"{entry.noise}{layout.SUFFIX}" for entry in entries}
        needed |= {f"{entry.id}{suffix}" for entry in entries for suffix in (layout.SUFFIX, ".json")}
        self.report.left += [name for name in operations.names(self._library.root) if Path(name).name not in needed]
        self.report.seconds = round(self.report.seconds, 1)
        return self.report

    def _start(self, writer: int, end: float) -> int:
        seed = self._rng.getrandbits(32)

        def work() -> None:
            worker = Writer(Library(self._library.root), writer, self._log(writer), seed)
            while time.monotonic() < end:
                worker.step()

        return fork(work, self._folder / f"failure {writer}")

    def _log(self, writer: int) -> Path:
        return self._folder / f"log {writer}"

    def _replay(self, writer: int) -> None:
        """Follows what a writer did since the last time."""
        lines = self._log(writer).read_text().splitlines() if self._log(writer).exists() else []
        new, self._read[writer] = lines[self._read[writer] :], len(lines)
        shared, contended = ({each.id for each in kind} for kind in (SHARED, CONTENDED))
        is_open = False
        for what, operation, identity, rating in map(json.loads, new):
            is_open = what == "begin"
            self.report.operations += not is_open
            changes = operation in ("add", "remove", "annotate")
            self.report.acknowledged += what == "done" and changes
            if identity in shared:
                if (what, operation) == ("done", "add"):
                    self._shared.add(identity)
            elif identity in contended:
                if operation == "add" and is_open and lines[-1] == json.dumps([what, operation, identity, rating]):
                    self._unfinished.add(identity)
            elif changes:
                self._follow_own(what, operation, identity, rating)
        self.report.midway += is_open

    def _follow_own(self, what: str, operation: str, identity: str, rating: int) -> None:
        now, stale = self._own[identity], self._stale.setdefault(identity, set())
        due: set[int | None]
        if operation == "add":
            due = {0 if rated is None else rated for rated in now}
            due |= stale if None in now else set()
        elif operation == "remove":
            due = {None}
        else:
            due = {None if rated is None else rating for rated in now}
        if what == "unknown":
            due = {None}
            if None not in now:
                self.report.lost.append(f"{identity[:8]} was unknown to {operation}")
        self._own[identity] = now | due if what == "begin" else due
        if what == "begin" and operation == "remove":
            stale |= now - {None}
        elif what == "done" and operation != "add":
            stale.clear()

    def _compare(self) -> None:
        """What is there, against what was acknowledged, while no writer runs."""
        library, lost = self._library, self.report.lost
        self.report.damaged += map(str, library.verify().damages)
        there = {entry.id: entry for entry in library.search()}
        lost += [f"shared {identity[:8]}" for identity in self._shared - there.keys()]
        for identity, allowed in self._own.items():
            entry = there.get(identity)
            rating = None if entry is None else entry.rating or 0
            if rating not in allowed:
                lost.append(f"own {identity[:8]}: {rating}, which isn't of {allowed}")
            self._own[identity] = {rating}
        for identity, entry in there.items():
            if library[identity].id != identity:
                self.report.damaged.append(identity)
            try:
                has_noise = library.noise(identity) == NOISE_OF[entry.noise]
            except UnknownRefError:
                has_noise = False
            if not has_noise and identity not in self._unfinished:
                lost.append(f"the noise of {identity[:8]}")
        for identity in self._unfinished & there.keys():  # from here on it must have its noise
            library.add(library[identity], NOISE_OF[there[identity].noise])
        self._unfinished.clear()


def vandalise(catalogues: Path, rng: random.Random) -> None:
    """Deletes, cuts or overwrites a catalogue that is in use; one that has just gone is left alone."""
    with suppress(FileNotFoundError):
        for path in [*catalogues.rglob("catalogue.sqlite"), *catalogues.rglob("catalogue.sqlite-wal")]:
            time.sleep(rng.uniform(0, 0.1))
            way = rng.randrange(4)
            if way == 0:
                path.unlink()
            elif way == 1:
                os.truncate(path, path.stat().st_size // 2)
            elif way == 2:
                shutil.rmtree(catalogues, ignore_errors=True)
            else:
                with path.open("r+b") as file:
                    file.write(b"garbage" * 2000)


def main() -> None:
    """Prints the report of writers that work at once, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--vandal", action="store_true", help="breaks the catalogue again and again")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="to work in")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        os.environ["SEGA_VEC_CACHE"] = str(folder / "cache")
        rng = random.Random(arguments.seed)

        def meanwhile() -> None:
            time.sleep(0.01)
            if arguments.vandal:
                vandalise(folder / "cache" / "catalogues", rng)

        crowd = Crowd(folder, arguments.writers, arguments.seed)
        crowd.work(arguments.seconds, meanwhile=meanwhile)
        report = crowd.end()
    sys.stdout.write(f"{json.dumps(asdict(report), indent=2)}\n")


if __name__ == "__main__":
    main()
