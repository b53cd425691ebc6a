"""What `push` and `pull` do: copy vectors between two libraries and report what was copied."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sega_cli.printing.report import Report
from sega_cli.printing.terminal import clean

if TYPE_CHECKING:
    from sega_store import Library

jobs_option = click.option(
    "--jobs", type=click.IntRange(min=1), default=8, show_default=True, help="How many vectors to copy at once."
)


def print_copy_report(source: "Library", target: "Library", refs: Sequence[str], jobs: int, report: Report) -> None:
    """Copies, with a bar, and prints a line for each vector that is new."""
    from tqdm import tqdm

    from sega_store import copy_vectors

    with tqdm(total=len(refs) or len(source), unit="vector", disable=not report.bars) as bar:
        done = copy_vectors(source, target, refs, jobs, bar.update)
    texts = source.catalogue.entries(done.added)
    for identity in done.added:
        report.item(f"added {target.short(identity)}  {clean(texts[identity].concept)}", bare=identity)
    report.note(f"{len(done.added)} copied to {clean(target.where)}, {len(done.held)} held already")
    for identity in done.unnamed:
        report.note(f"left without its name, which another vector has: {target.short(identity)}")
    report.document(
        {
            "from": source.where,
            "to": target.where,
            "added": list(done.added),
            "held": list(done.held),
            "unnamed": list(done.unnamed),
        }
    )
