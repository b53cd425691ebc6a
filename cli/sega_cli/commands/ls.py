"""`sega-vec ls`: list the guidance vectors of a library."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from sega_cli.options import Place, Text, on_library, open_library
from sega_cli.printing.report import Report, Streamed
from sega_cli.printing.table import print_rows
from sega_cli.printing.terminal import clean, size
from sega_cli.selection import STDIN, Conditions, chosen, selection_options

if TYPE_CHECKING:
    from sega_store import Entry

EXAMPLES = """\b
Examples:
  sega-vec ls
  sega-vec ls portrait --concept glasses --limit 10
  sega-vec ls --quiet --tag favourite --since 2026-01-31 --seed 0..9

\b
Newest first; a QUERY of - lists the REFs on standard input, one a line, in their order. If standard output isn't a
terminal, columns are separated by tabs:
REF, name, concept, prompt, model, seed, steps, bytes, created."""

_COLUMNS = ("ref", "name", "concept", "prompt", "model", "seed", "steps", "size", "created")


@click.command("ls", epilog=EXAMPLES)
@click.argument("query", type=Text(), default="")
@selection_options
@click.option("--limit", type=click.IntRange(min=1), help="List at most this many.")
@on_library
def command(query: str, conditions: Conditions, limit: int | None, library: Place, report: Report) -> None:
    """List the vectors of the library.

    QUERY searches concepts, prompts, names, models, tags and notes.
    """
    store = open_library(library)
    if report.bars:
        with report.progress("vector", desc="listing", delay=1) as step:  # the first listing of a large library
            store.catalogue.refresh(step)
    if query == STDIN:
        found = [store.entry(ref) for ref in chosen(store, [query], conditions)][:limit]
        entries, total = iter(found), len(found)
    else:
        from sega_store.library.selection import Selection

        selection = Selection(query, **conditions)
        entries, total = store.catalogue.each(selection, limit), store.catalogue.total(selection)
    if report.plain:
        rows = ((store.short(entry.id), *_cells(entry, people=report.terminal)) for entry in entries)
        print_rows(report, _COLUMNS, rows, ("seed", "steps", "size"), ("name", "concept", "prompt", "model"))
    elif report.quiet and not report.json:
        for entry in entries:
            report.item("", bare=entry.id)
    damaged = [str(error) for error in store.catalogue.damaged()]
    for message in damaged:
        report.note(f"damaged: {clean(message)}")
    if not total:
        report.note(f"no vector found in {clean(str(library))}")
    report.document({"library": str(library), "vectors": Streamed(map(asdict, entries)), "damaged": damaged})


def _cells(entry: "Entry", people: bool) -> tuple[str, ...]:
    """What is shown of an entry beside its REF, for people or programs; its texts may be a stranger's."""
    seed = "" if entry.seed is None else str(entry.seed)
    stored = size(entry.bytes) if people else str(entry.bytes)
    created = entry.created[:16].replace("T", " ") if people else entry.created
    texts = (entry.name or "", entry.concept, entry.prompt, entry.model, seed, str(entry.steps), stored, created)
    return tuple(clean(text) for text in texts)
