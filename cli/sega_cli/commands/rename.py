"""`sega-vec rename`: give a vector a name."""

from dataclasses import asdict

import click

from sega_cli.options import Place, on_library, open_library
from sega_cli.printing.entry_line import print_entry
from sega_cli.printing.report import Report
from sega_cli.selection import seed_option

EXAMPLES = """\b
Examples:
  sega-vec rename glasses "round glasses"
  sega-vec rename glasses ""

\b
A name is one line, and no two vectors of a library share one; an empty NAME removes it."""


@click.command("rename", epilog=EXAMPLES)
@click.argument("ref")
@click.argument("name")
@seed_option
@on_library
def command(ref: str, seed: int | None, name: str, library: Place, report: Report) -> None:
    """Give the vector REF the name NAME."""
    store = open_library(library)
    entry = store.annotate(store.resolve(ref, seed), name=name or None)
    print_entry(report, store, entry)
    report.document(asdict(entry))
