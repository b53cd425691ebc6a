"""`sega-vec note`: keep a note with a vector."""

from dataclasses import asdict

import click

from sega_cli.options import Place, on_library, open_library
from sega_cli.printing.entry_line import print_entry
from sega_cli.printing.report import Report
from sega_cli.selection import seed_option

EXAMPLES = """\b
Examples:
  sega-vec note glasses "works on drawings, not on photographs"
  sega-vec note glasses ""

\b
TEXT replaces the previous note; an empty TEXT removes it."""


@click.command("note", epilog=EXAMPLES)
@click.argument("ref")
@click.argument("text")
@seed_option
@on_library
def command(ref: str, seed: int | None, text: str, library: Place, report: Report) -> None:
    """Keep TEXT as the note of the vector REF.

    sega-vec ls finds vectors by the words of their notes.
    """
    store = open_library(library)
    entry = store.annotate(store.resolve(ref, seed), notes=text)
    print_entry(report, store, entry)
    report.document(asdict(entry))
