"""`sega-vec ls`: list the guidance vectors of a library."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from sega_cli.options import Place, Text, on_library, open_library
from sega_cli.printing.report import Report, Streamed
from sega_cli.printing.table import print_rows
from sega_cli.printing.terminal import clean, size

if TYPE_CHECKING:
    from sega_store import Entry

EXAMPLES = """\b
Examples:
  sega-vec ls
  sega-vec ls portrait --concept glasses --limit 10
  sega-vec ls --quiet

\b
Newest first. If standard output isn't a terminal, columns are separated by tabs:
REF, name, concept, prompt, model, seed, steps, bytes, created."""

_COLUMNS = ("ref", "name", "concept", "prompt", "model", "seed", "steps", "size", "created")


@click.command("ls", epilog=EXAMPLES)
@click.argument("query", type=Text(), default="")
@click.option("--concept", type=Text(), help="List only vectors of this concept.")
@click.option("--model", type=Text(), help="List only vectors recorded with this model.")
@click.option(
    "--noise",
    type=Text(),
    help="List only vectors recorded from this initial noise, given by its hash or the start of it.",
)
@click.option("--limit", type=click.IntRange(min=1), help="List at most this many.")
@on_library
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
    store = open_library(library)
    if report.bars:
        with report.progress("vector", desc="listing", delay=1) as step:  # the first listing of a large library
            store.catalogue.refresh(step)
    from sega_store.library.selection import Selection

    selection = Selection(query, concept, model, noise)
    entries = store.catalogue.each(selection, limit)
    if report.plain:
        rows = ((store.short(entry.id), *_cells(entry, people=report.terminal)) for entry in entries)
        print_rows(report, _COLUMNS, rows, ("seed", "steps", "size"), ("name", "concept", "prompt", "model"))
    elif report.quiet and not report.json:
        for entry in entries:
            report.item("", bare=entry.id)
    damaged = [str(error) for error in store.catalogue.damaged()]
    for message in damaged:
        report.note(f"damaged: {clean(message)}")
    if not store.catalogue.total(selection):
        report.note(f"no vector found in {clean(str(library))}")
    report.document({"library": str(library), "vectors": Streamed(map(asdict, entries)), "damaged": damaged})


def _cells(entry: "Entry", people: bool) -> tuple[str, ...]:
    """What is shown of an entry beside its REF, for people or programs; its texts may be a stranger's."""
    seed = "" if entry.seed is None else str(entry.seed)
    stored = size(entry.bytes) if people else str(entry.bytes)
    created = entry.created[:16].replace("T", " ") if people else entry.created
    texts = (entry.name or "", entry.concept, entry.prompt, entry.model, seed, str(entry.steps), stored, created)
    return tuple(clean(text) for text in texts)
