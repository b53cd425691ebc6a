"""`sega-vec ls`: list the guidance vectors of a library."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from sega_cli.options import Place, Text, library_option, reporting
from sega_cli.report import Report
from sega_cli.terminal import clean, size

if TYPE_CHECKING:
    from sega_store import Entry

EXAMPLES = """\b
Examples:
  sega-vec ls
  sega-vec ls portrait --concept glasses --limit 10
  sega-vec ls --quiet

\b
Newest first. Where standard output is no terminal, columns are separated by tabs:
REF, name, concept, prompt, model, seed, steps, bytes, created."""

_COLUMNS = ("ref", "name", "concept", "prompt", "model", "seed", "steps", "size", "created")


@click.command("ls", epilog=EXAMPLES)
@click.argument("query", type=Text(), default="")
@click.option("--concept", type=Text(), help="Only of this concept.")
@click.option("--model", type=Text(), help="Only recorded with this model.")
@click.option("--noise", type=Text(), help="Only recorded from this initial noise: its hash, or the start of it.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@library_option
@reporting
def command(
    query: str,
    concept: str | None,
    model: str | None,
    noise: str | None,
    limit: int | None,
    library: Place,
    report: Report,
) -> None:
    """List the vectors of the library.

    QUERY searches concepts, prompts, names, models, tags and notes.
    """
    from sega_store import Library

    store = Library(library)
    if report.bars:
        from tqdm import tqdm

        with tqdm(desc="listing", unit="vector", delay=1) as bar:  # the first listing of a large library
            store.refresh(bar.update)
    entries = store.search(query, concept=concept, model=model, noise=noise, limit=limit)
    if report.plain and report.terminal:
        _print_table([(store.short(entry.id), *_cells(entry, size(entry.bytes))) for entry in entries])
    elif report.plain:
        for entry in entries:
            report.item("\t".join((store.short(entry.id), *_cells(entry, str(entry.bytes)))))
    else:
        for entry in entries:
            report.item("", bare=entry.id)
    damaged = [str(error) for error in store.damaged()]
    for message in damaged:
        report.note(f"damaged: {clean(message)}")
    if not entries:
        report.note(f"no vector found in {clean(str(library))}")
    report.document({"library": str(library), "vectors": [asdict(e) for e in entries], "damaged": damaged})


def _cells(entry: "Entry", stored: str) -> tuple[str, ...]:
    """What is shown of an entry beside its REF; all of it may come from a stranger."""
    seed = "" if entry.seed is None else str(entry.seed)
    texts = (entry.name or "", entry.concept, entry.prompt, entry.model, seed, str(entry.steps), stored, entry.created)
    return tuple(clean(text) for text in texts)


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text as Cell

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        table.add_column(
            column,
            justify="right" if column in ("seed", "steps", "size") else "left",
            overflow="ellipsis" if column in ("name", "concept", "prompt", "model") else "fold",
            no_wrap=True,
        )
    for row in rows:
        table.add_row(*(Cell(cell) for cell in (*row[:-1], row[-1][:16].replace("T", " "))))
    Console().print(table)
