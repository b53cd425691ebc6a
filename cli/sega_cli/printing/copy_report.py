"""What `push`, `pull` and `import` print, and how the first two copy."""

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from sega_cli.printing.report import Report
from sega_cli.printing.terminal import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sega_store import Imported, Library

jobs_option = click.option("--jobs", type=click.IntRange(min=1), default=8, help="How many vectors to copy at once.")


def copy_and_report(source: "Library", target: "Library", refs: Sequence[str], jobs: int, report: Report) -> None:
    """Copy, with a bar, and print a line for each vector that is new."""
    from sega_store import copy_vectors

    with printing_imported(report, source, target, {"from": source.where, "to": target.where}) as each:
        with report.progress("vector", len(refs) or len(source)) as step:
            done = copy_vectors(source, target, refs, jobs, step, each)
        report.note(f"{len(done.added)} copied to {clean(target.where)}, {len(done.held)} held already")


@contextmanager
def printing_imported(
    report: Report, listed: "Library", target: "Library", places: Mapping[str, str]
) -> "Iterator[Callable[[Imported], None]]":
    """Print what becomes of vectors, however the block ends; yields the function to call with what was done.

    Args:
        listed: A library that lists them.
        target: Where they go.
        places: Where they come from and go to, for the JSON document.
    """
    document: dict[str, Any] = {**places, "added": [], "held": [], "unnamed": []}

    def each(done: "Imported") -> None:
        entries = listed.catalogue.entries(done.added)
        for key, ids in asdict(done).items():
            document[key] += ids
        for identity in done.added:
            concept = entries[identity].concept if identity in entries else ""  # an interrupted one may be unlisted yet
            report.item(f"added {target.short(identity)}  {clean(concept)}", bare=identity)
        for identity in done.unnamed:
            report.note(
                f"left without its name, which is another vector's name, concept or id: {target.short(identity)}"
            )
        for identity, name in target.catalogue.hidden(done.added).items():
            report.note(
                f"{clean(name)} is the name of another vector: call this one {target.short(identity)}, or rename that"
            )

    with report.answer(document):
        yield each
