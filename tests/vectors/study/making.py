"""Makes some runs of a small plan in several processes: `python -m tests.vectors.study.making FOLDER`, to be killed."""

import sys
from collections.abc import Callable
from pathlib import Path

from sega_store import Library
from sega_vectors.study.laboratory import Archive, make_all
from sega_vectors.study.runs import Run, with_needs

from .plans import small_plan


def archive_in(folder: Path) -> Archive:
    """The archive of these runs."""
    plan = small_plan()
    return Archive(folder / "pictures", {"model": plan.model, "dtype": "float32", "arguments": dict(plan.arguments)})


def runs() -> list[Run]:
    """Four recordings, their plain runs, and two runs with each vector, in the order in which they can be made."""
    plan = small_plan()
    found: list[Run] = []
    for pair in plan.pairs:
        own = plan.recorded("glasses", pair)
        found += [own.run, own.run.plain]
        found += [plan.run(prompt, pair.seed, plan.applied(own)) for prompt in (pair.same_style, pair.other_style)]
    return with_needs(found)


def make(folder: Path, jobs: int, progress: Callable[[int], object] = lambda made: None) -> None:
    """Make them, each in a call of its own."""
    library = Library(folder / "library")
    make_all(archive_in(folder), library, runs(), device="cpu", batch_size=1, jobs=jobs, progress=progress)


if __name__ == "__main__":
    make(Path(sys.argv[1]), jobs=2)
