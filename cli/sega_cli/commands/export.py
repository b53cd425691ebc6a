"""`sega-vec export`: write vectors with their noises and annotations for others."""

from collections.abc import Sequence
from pathlib import Path

import click

from sega_cli.options import PATH, Place, on_library, open_library
from sega_cli.printing.report import Report
from sega_cli.printing.terminal import clean
from sega_cli.selection import Conditions, chosen, selection_options

FORMATS = ("zip", "folder", "zarr", "safetensors")

EXAMPLES = """\b
Examples:
  sega-vec export glasses smile vectors.zip
  sega-vec export everything --format folder
  sega-vec export glasses smile vectors.zarr
  sega-vec export glasses glasses.safetensors
  sega-vec export --concept glasses --since 2026-01-31 glasses.zip

\b
zip          a bundle: one file, for sega-vec import
folder       a library: use it as it is with --library
zarr         a plain Zarr v3 hierarchy, dense, for analysis
safetensors  dense; its tensor sem_guidance is, as a list, what diffusers' SemanticStableDiffusionPipeline takes.
             A path that ends in .safetensors holds one vector, any other path is a folder of such files

\b
A PATH without an ending is a folder; any other ending needs --format. - stands for REFs on standard input, one a
line."""


@click.command("export", epilog=EXAMPLES)
@click.argument("refs", metavar="[REF]...", nargs=-1)
@click.argument("path", type=PATH)
@click.option("--format", type=click.Choice(FORMATS), help="What to write.  [default: what PATH ends in, else folder]")
@selection_options
@on_library
def command(
    refs: Sequence[str], path: Path, format: str | None, conditions: Conditions, library: Place, report: Report
) -> None:
    """Write vectors to PATH, to share or analyse them.

    The vectors REF, or all, that meet the conditions, with their noises, names, tags, ratings and notes.
    """
    from sega_store import export_vectors

    store = open_library(library)
    ids: list[str] = []
    with report.answer({"library": str(library), "path": str(path), "vectors": ids}):
        with report.progress("vector") as step:
            ids += export_vectors(store, path, chosen(store, refs, conditions), format, step)
        report.item(f"{len(ids)} vectors  {clean(str(path))}", bare=str(path))
