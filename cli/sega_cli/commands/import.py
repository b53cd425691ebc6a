"""`sega-vec import`: add the vectors of a bundle to a library."""

from pathlib import Path

import click

from sega_cli.options import Place, library_option, reporting
from sega_cli.printing.report import Report
from sega_cli.printing.terminal import clean

EXAMPLES = """\b
Examples:
  sega-vec import vectors.zip
  sega-vec import vectors.zip --library other --json

\b
PATH may come from a stranger: every byte is checked first, and nothing is added unless all is well. What the library
holds already stays as it is. A name that another vector has is left out."""


@click.command("import", epilog=EXAMPLES)
@click.argument("path", type=click.Path(path_type=Path))
@library_option
@reporting
def command(path: Path, library: Place, report: Report) -> None:
    """Add the vectors of the bundle PATH.

    A bundle is a zip as sega-vec export writes it. From a library, a folder or a URL, use sega-vec pull.
    """
    from tqdm import tqdm

    from sega_store import Library, import_vectors

    store = Library(library)
    with tqdm(unit="vector", disable=not report.bars) as bar:
        done = import_vectors(store, path, bar.update)
    for identity in done.added:
        report.item(f"added {store.short(identity)}  {clean(store[identity].concept.text)}", bare=identity)
    for identity in done.held:
        report.note(f"held already {store.short(identity)}")
    for identity in done.unnamed:
        report.note(f"left without its name, which another vector has: {store.short(identity)}")
    report.document(
        {
            "library": str(library),
            "added": list(done.added),
            "held": list(done.held),
            "unnamed": list(done.unnamed),
        }
    )
