"""What `push`, `pull` and `import` print, and how the first two copy."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from sega_cli.printing.report import Report
from sega_cli.printing.terminal import clean

if TYPE_CHECKING:
    from sega_store import Entry, Library
    from sega_store.exchange.bundle_import import Imported

jobs_option = click.option("--jobs", type=click.IntRange(min=1), default=8, help="How many vectors to copy at once.")


def copy_and_report(source: "Library", target: "Library", refs: Sequence[str], jobs: int, report: Report) -> None:
    """Copies, with a bar, and prints a line for each vector that is new."""
    from sega_store import copy_vectors

    source.check_exists()
    with report.progress("vector", len(refs) or len(source)) as step:
        done = copy_vectors(source, target, refs, jobs, step)
    count = f"{len(done.added)} copied to {clean(target.where)}, {len(done.held)} held already"
    entries = source.catalogue.entries(done.added)
    print_imported(report, target, done, entries, [count], {"from": source.where, "to": target.where})


def print_imported(
    report: Report,
    target: "Library",
    done: "Imported",
    entries: "Mapping[str, Entry]",
    remarks: Iterable[str],
    places: Mapping[str, str],
) -> None:
    """Print a line for each vector that is new to `target`, remarks on the others, and what lost its name.

    Args:
        entries: The new vectors' entries.
        places: Where the vectors came from and went to, for the JSON document.
    """
    for identity in done.added:
        report.item(f"added {target.short(identity)}  {clean(entries[identity].concept)}", bare=identity)
    for remark in remarks:
        report.note(remark)
    for identity in done.unnamed:
        report.note(f"left without its name, which is another vector's name, concept or id: {target.short(identity)}")
    for identity, name in target.catalogue.hidden(done.added).items():
        report.note(
            f"{clean(name)} is the name of another vector: call this one {target.short(identity)}, or rename that"
        )
    report.document({**places, **asdict(done)})
