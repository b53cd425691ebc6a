"""Kills writers, at random moments and at every change they make to the disk, and looks what is left.

    python -m tests.store.crashes --kills 1000

prints what was killed, acknowledged, lost and half-written. It forks: a writer starts in a millisecond, and it is a
process of its own that SIGKILL ends wherever it is.
"""

import argparse
import json
import os
import random
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path

from sega_store import Library, UnknownRefError, layout

from . import operations
from .faulty import striking
from .writer import CONTENDED, NOISE_OF, SHARED, Writer, own

WRITERS = 4
LONGEST_ROUND_SECONDS = 0.05


@dataclass
class Report:
    """What became of a number of kills.

    Attributes:
        kills: Processes killed.
        midway: Those killed within an operation, not between two.
        acknowledged: Additions, removals and annotations that were acknowledged.
        leftovers: Temporary files found after a kill.
        lost: What was acknowledged and isn't so.
        damaged: What is visible and isn't whole.
        failures: What a writer raised.
        left: Files found at the end, after cleaning, that nobody needs.
    """

    kills: int = 0
    midway: int = 0
    acknowledged: int = 0
    leftovers: int = 0
    lost: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def die() -> None:
    """Ends this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def fork(work: Callable[[], object], failures: Path) -> int:
    """Starts a process that does some work and ends; what it raises goes to a file."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:
        failures.write_text(traceback.format_exc())
    finally:
        os._exit(0)


def was_killed(child: int) -> bool:
    """Waits for the end of a process; whether SIGKILL was its end."""
    status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


class RandomKills:
    """Rounds of writers that contend for the same vectors and are killed, all of them; then what is there is compared
    with what they had acknowledged."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.report = Report()
        self._folder = folder
        self._library = Library(folder / "library")
        self._rng = random.Random(seed)
        self._read = [0] * WRITERS
        self._shared: set[str] = set()  # acknowledged additions
        self._unfinished: set[str] = set()  # contended ones whose addition was killed since it was last acknowledged
        self._own: dict[str, set[int | None]] = {}  # the ratings that it may have, 0 for none; None: it isn't there
        self._stale: dict[str, set[int | None]] = {}  # ratings that a killed removal may have left without their vector
        for each in (each for writer in range(WRITERS) for each in own(writer)):
            self._own[each.id] = {None}

    def run(self, kills: int) -> Report:
        """Kills so many writers, or a few more."""
        while self.report.kills < kills:
            self._round()
        operations.clean_at_once(self._library)
        self._compare()
        ids = set(self._library)
        entries = self._library.search()
        needed = {f"{entry.noise}{layout.SUFFIX}" for entry in entries}
        needed |= {f"{identity}{suffix}" for identity in ids for suffix in (layout.SUFFIX, ".json")}
        self.report.left += [name for name in operations.names(self._library.root) if Path(name).name not in needed]
        return self.report

    def _round(self) -> None:
        def work(writer: int) -> None:
            worker = Writer(Library(self._library.root), writer, self._log(writer), self._rng.getrandbits(32) + writer)
            while True:
                worker.step()

        children = [fork(lambda n=n: work(n), self._folder / f"failure {n}") for n in range(WRITERS)]  # type: ignore[misc]
        self._rng.getrandbits(32)
        self._rng.shuffle(children)
        for moment in sorted(self._rng.uniform(0, LONGEST_ROUND_SECONDS) for _ in children):
            time.sleep(moment / WRITERS)
            child = children.pop()
            os.kill(child, signal.SIGKILL)
            self.report.kills += was_killed(child)
        for failure in self._folder.glob("failure *"):
            self.report.failures.append(failure.read_text())
            failure.unlink()
        self.report.leftovers += sum(1 for _ in self._library.root.rglob("*.tmp"))
        for writer in range(WRITERS):
            self._replay(writer)
        self._compare()

    def _log(self, writer: int) -> Path:
        return self._folder / f"log {writer}"

    def _replay(self, writer: int) -> None:
        """Follows what a writer did since the last round."""
        lines = self._log(writer).read_text().splitlines() if self._log(writer).exists() else []
        new, self._read[writer] = lines[self._read[writer] :], len(lines)
        shared, contended = ({each.id for each in kind} for kind in (SHARED, CONTENDED))
        open_operation = False
        for what, operation, identity, rating in map(json.loads, new):
            open_operation = what == "begin"
            changes = operation in ("add", "remove", "annotate")
            self.report.acknowledged += what == "done" and changes
            if identity in shared:
                if (what, operation) == ("done", "add"):
                    self._shared.add(identity)
            elif identity in contended:
                if (what, operation) == ("begin", "add"):
                    self._unfinished.add(identity)  # until the end of the round: others may be at it, too
            elif changes:
                self._follow_own(what, operation, identity, rating)
        self.report.midway += open_operation

    def _follow_own(self, what: str, operation: str, identity: str, rating: int) -> None:
        now, stale = self._own[identity], self._stale.setdefault(identity, set())
        due: set[int | None] = {
            "add": {0 if rated is None else rated for rated in now} | (stale if None in now else set()),
            "remove": {None},
            "annotate": {None if rated is None else rating for rated in now},
        }[operation]
        if what == "unknown":
            due = {None}
            if None not in now:
                self.report.lost.append(f"{identity[:8]} was unknown to {operation}")
        self._own[identity] = now | due if what == "begin" else due
        if what == "begin" and operation == "remove":
            stale |= now - {None}
        elif operation != "add":
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
        for identity in there:
            if library[identity].id != identity:
                self.report.damaged.append(identity)
            try:
                found = library.noise(identity) == NOISE_OF[there[identity].noise]
            except UnknownRefError:
                found = False
            if not found and identity not in self._unfinished:
                lost.append(f"the noise of {identity[:8]}")
        self._unfinished.clear()


def kill_at_every_change(folder: Path, name: str) -> int:
    """Kills an operation at each change that it makes to the disk, in turn, and holds what must hold.

    Returns:
        The number of kills.
    """
    operation = operations.OPERATIONS[name]
    before, after, files = operations.references(folder, operation)
    for at in count():
        library = operations.copy(folder, str(at))

        def work(library: Library = library, at: int = at) -> None:
            with striking(at, die):
                operation.run(library)

        failure = folder / f"{at}.failure"
        killed = was_killed(fork(work, failure))
        assert not failure.exists(), failure.read_text()
        found = operations.state(library)
        operations.check(found, before, after)
        if not killed:
            assert found == after
            return at
        operations.check_end(library, operation, after, files)
    raise AssertionError("count doesn't end")


def main() -> None:
    """Prints the report of a number of random kills and of the kills at every change, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["SEGA_VEC_CACHE"] = str(folder / "cache")
        every: Counter[str] = Counter()
        for operation in operations.OPERATIONS:
            (folder / operation).mkdir()
            every[operation] = kill_at_every_change(folder / operation, operation)
        begin = time.perf_counter()
        report = RandomKills(folder, arguments.seed).run(arguments.kills)
        seconds = time.perf_counter() - begin
    print(json.dumps({**asdict(report), "seconds": round(seconds, 1), "at every change": every}, indent=2))


if __name__ == "__main__":
    main()
