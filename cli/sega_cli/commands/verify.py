"""`sega-vec verify`: check every byte of a library against its hashes."""

from collections.abc import Sequence
from pathlib import Path

import click

from sega_cli.options import LibraryPlace, Place, library_option, reporting
from sega_cli.printing.report import Report
from sega_cli.printing.terminal import clean

DAMAGE_FOUND = 3

EXAMPLES = """\b
Examples:
  sega-vec verify
  sega-vec verify glasses --json
  sega-vec verify --move-aside damaged --from backup

\b
Prints one line for each damaged file. Exit status: 3 if any file was damaged, even if it was repaired or moved aside;
else 0. --from may name an exported folder; only undamaged files with the same hash are taken from it. Without REFs,
files that killed processes left behind are removed too, once they are old enough.
--rebuild mends the catalogue of a library in an object store if segments of it were damaged or lost."""


@click.command("verify", epilog=EXAMPLES)
@click.argument("refs", metavar="[REF]...", nargs=-1)
@click.option("--move-aside", type=click.Path(path_type=Path), help="Move damaged files into this folder.")
@click.option("--from", "source", type=LibraryPlace(), help="Repair from this library.")
@click.option("--rebuild", is_flag=True, help="First rebuild the catalogue from the files.")
@library_option
@reporting
@click.pass_context
def command(
    ctx: click.Context,
    refs: Sequence[str],
    move_aside: Path | None,
    source: Place | None,
    rebuild: bool,
    library: Place,
    report: Report,
) -> None:
    """Check every byte against its hashes.

    Checks the vectors REF with their noises, or the whole library.
    """
    from tqdm import tqdm

    from sega_store import Library

    spare = None if source is None else Library(source)
    store = Library(library)
    if rebuild:
        with tqdm(unit="vector", desc="Catalogue", disable=not report.bars) as bar:
            store.catalogue.rebuild(bar.update)
    with tqdm(unit="file", disable=not report.bars) as bar:
        found = store.verify(refs, move_aside, spare, bar.update)
    for damage in found.damages:
        report.item(clean(str(damage)), bare=str(damage.path))
    report.note(f"{found.files} files checked, {len(found.damages)} damaged, {len(found.left)} left so")
    damages = [
        {
            "path": str(damage.path),
            "problem": damage.problem,
            "outcome": damage.outcome,
            "aside": None if damage.aside is None else str(damage.aside),
        }
        for damage in found.damages
    ]
    report.document({"library": str(library), "files": found.files, "damaged": damages})
    if found.damages:
        ctx.exit(DAMAGE_FOUND)
