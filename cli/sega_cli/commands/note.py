"""`sega-vec note`: keep a note with a vector."""

import click

from sega_cli.options import Place, library_option, reporting
from sega_cli.printing.entry_line import print_entry
from sega_cli.printing.report import Report

EXAMPLES = """\b
Examples:
  sega-vec note glasses "works on drawings, not on photographs"
  sega-vec note glasses ""

\b
The text takes the place of the note before; an empty TEXT takes it away."""


@click.command("note", epilog=EXAMPLES)
@click.argument("ref")
@click.argument("text")
@library_option
@reporting
def command(ref: str, text: str, library: Place, report: Report) -> None:
    """Keep TEXT as the note of the vector REF.

    sega-vec ls finds vectors by the words of their notes.
    """
    from sega_store import Library

    store = Library(library)
    print_entry(report, store, store.annotate(ref, notes=text))
