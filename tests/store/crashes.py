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
from math import ceil
from pathlib import Path

from sega_store import Library

from . import operations
from .crowd import Crowd, fork, was_killed
from .faulty import striking


def die() -> None:
    """Ends this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_changes(folder: Path, name: str, most: int) -> int:
    """Kills an operation at the changes that it makes to the disk, in turn, and holds what must hold.

    Args:
        folder: To work in.
        name: The operation's.
        most: At how many of the changes at the most.

    Returns:
        The number of kills.
    """
    operation = operations.OPERATIONS[name]
    before, after, files = operations.references(folder, operation)
    library = operations.copy(folder, "counted")
    with striking(-1, die) as changes:
        operation.run(library)
    moments = range(0, len(changes), ceil(len(changes) / most))
    for at in moments:
        library = operations.copy(folder, str(at))

        def work(library: Library = library, at: int = at) -> None:
            with striking(at, die):
                operation.run(library)

        failure = folder / f"{at}.failure"
        killed = was_killed(fork(work, failure))
        assert killed, failure.read_text() if failure.exists() else f"there was no change {at}"
        found = operations.state(library)
        operations.check(found, before, after)
        assert len(library.verify().damages) == list(found.values()).count("damaged")
        operations.check_end(library, operation, after, files)
    return len(moments)


LONGEST_ROUND_SECONDS = 0.2


def main() -> None:
    """Prints the report of a number of random kills and of the kills at every change, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="to work in")
    parser.add_argument("--operations", nargs="*", default=list(operations.OPERATIONS), metavar="OPERATION")
    parser.add_argument("--most", type=int, default=1000, help="kills at so many changes of an operation at the most")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        os.environ["SEGA_VEC_CACHE"] = str(folder / "cache")
        every: Counter[str] = Counter()
        for operation in arguments.operations:
            every[operation] = kill_at_changes(folder / operation, operation, arguments.most)
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
