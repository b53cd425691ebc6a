"""`sega-vec note`: keep a note with a vector."""

import click

from sega_cli.options import Place, on_library, open_library
from sega_cli.printing.entry_line import print_entry
from sega_cli.printing.report import Report

EXAMPLES = """\b
Examples:
  sega-vec note glasses "works on drawings, not on photographs"
  sega-vec note glasses ""

\b
TEXT replaces the previous note; an empty TEXT removes it."""


@click.command("note", epilog=EXAMPLES)
@click.argument("ref")
@click.argument("text")
@on_library
def command(ref: str, text: str, library: Place, report: Report) -> None:
    """Keep TEXT as the note of the vector REF.

    sega-vec ls finds vectors by the words of their notes.
    """
    store = open_library(library)
    print_entry(report, store, store.annotate(ref, notes=text))
