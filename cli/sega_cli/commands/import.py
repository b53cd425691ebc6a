"""`sega-vec import`: add the vectors of a bundle to a library."""

from pathlib import Path

import click

from sega_cli.options import PATH, Place, on_library, open_library
from sega_cli.printing.copy_report import printing_imported
from sega_cli.printing.report import Report

EXAMPLES = """\b
Examples:
  sega-vec import vectors.zip
  sega-vec import vectors.zip --library other --json

\b
PATH may come from a stranger: every byte is checked first, and nothing is added unless all is well. What the library
holds already stays as it is. A name that would hide another vector is left out."""


@click.command("import", epilog=EXAMPLES)
@click.argument("path", type=PATH)
@on_library
def command(path: Path, library: Place, report: Report) -> None:
    """Add the vectors of the bundle PATH.

    A bundle is a zip as sega-vec export writes it. From a library, a folder or a URL, use sega-vec pull.
    """
    from sega_store import import_vectors

    store = open_library(library)
    with printing_imported(report, store, store, {"library": str(library)}) as each:
        with report.progress("vector") as step:
            done = import_vectors(store, path, step, each)
        for identity in done.held:
            report.note(f"held already {store.short(identity)}")
