"""Kills writers, at random moments and at every change they make to the disk, and looks what is left.

    python -m tests.store.crashes --kills 1000

prints what was killed at random, and at every change, acknowledged, lost and half-written.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from itertools import count
from pathlib import Path

from sega_store import Library

from . import operations
from .crowd import Crowd, fork, was_killed
from .faulty import striking


def die() -> None:
    """Ends this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_changes(folder: Path, name: str, stride: int = 1) -> int:
    """Kills an operation at each change that it makes to the disk, in turn, and holds what must hold.

    Args:
        folder: To work in.
        name: The operation's.
        stride: Every how many changes.

    Returns:
        The number of kills.
    """
    operation = operations.OPERATIONS[name]
    before, after, files = operations.references(folder, operation)
    for kills, at in enumerate(count(0, stride)):
        library = operations.copy(folder, str(at))

        def work(library: Library = library, at: int = at) -> None:
            with striking(at, die):
                operation.run(library)

        failure = folder / f"{at}.failure"
        killed = was_killed(fork(work, failure))
        assert not failure.exists(), failure.read_text()
        found = operations.state(library)
        operations.check(found, before, after)
        assert len(library.verify().damages) == list(found.values()).count("damaged")
        if not killed:
            assert found == after
            return kills
        operations.check_end(library, operation, after, files)
    raise AssertionError("count doesn't end")


LONGEST_ROUND_SECONDS = 0.2


def main() -> None:
    """Prints the report of a number of random kills and of the kills at every change, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--operations", nargs="*", default=list(operations.OPERATIONS), metavar="OPERATION")
    parser.add_argument("--stride", type=int, default=1, help="kills at every so many changes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["SEGA_VEC_CACHE"] = str(folder / "cache")
        every: Counter[str] = Counter()
        for operation in arguments.operations:
            every[operation] = kill_at_changes(folder / operation, operation, arguments.stride)
        begin = time.perf_counter()
        crowd = Crowd(folder, writers=4, seed=arguments.seed)
        while crowd.report.kills < arguments.kills:
            crowd.work(until_killed=True, seconds=LONGEST_ROUND_SECONDS)
        report = crowd.end()
        seconds = time.perf_counter() - begin
    figures = {**asdict(report), "seconds": round(seconds, 1), "at changes": every}
    sys.stdout.write(f"{json.dumps(figures, indent=2)}\n")


if __name__ == "__main__":
    main()
