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
TEXT replaces the previous note; an empty TEXT removes it."""


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
