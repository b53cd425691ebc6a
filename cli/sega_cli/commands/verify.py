"""`sega-vec verify`: check every byte of a library against its hashes."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sega_cli.errors import DAMAGE_FOUND
from sega_cli.options import FOLDER, LibraryPlace, Place, on_library, open_library
from sega_cli.printing.report import Report
from sega_cli.printing.terminal import clean
from sega_cli.selection import Conditions, chosen, selection_options

if TYPE_CHECKING:
    from sega_store.library.verify import Damage

EXAMPLES = """\b
Examples:
  sega-vec verify
  sega-vec verify glasses --json
  sega-vec verify --move-aside damaged --from backup

\b
Prints one line for each damaged file. Exit status: 3 if any file was damaged, even if it was repaired or moved aside;
else 0. --from may name an exported folder; only undamaged files with the same hash are taken from it. Without REFs and
conditions, files that killed processes left behind are removed too, once they are old enough. - stands for REFs on
standard input, one a line.
--rebuild mends the catalogue of a library in an object store if segments of it were damaged or lost."""


@click.command("verify", epilog=EXAMPLES)
@click.argument("refs", metavar="[REF]...", nargs=-1)
@selection_options
@click.option("--move-aside", type=FOLDER, help="Move damaged files into this folder.")
@click.option("--from", "source", type=LibraryPlace(), help="Repair from this library.")
@click.option("--rebuild", is_flag=True, help="First rebuild the catalogue from the files.")
@on_library
@click.pass_context
def command(
    ctx: click.Context,
    refs: Sequence[str],
    conditions: Conditions,
    move_aside: Path | None,
    source: Place | None,
    rebuild: bool,
    library: Place,
    report: Report,
) -> None:
    """Check every byte against its hashes.

    Checks the vectors REF, or those that meet the conditions, with their noises, or the whole library.
    """
    spare = None if source is None else open_library(source)
    store = open_library(library)
    store.check_exists()
    if rebuild:
        with report.progress("vector", desc="Catalogue") as step:
            store.catalogue.rebuild(step)
    document: dict[str, Any] = {"library": str(library), "files": 0, "damaged": []}

    def done() -> None:
        document["files"] += 1
        step()

    def damaged(damage: "Damage") -> None:
        document["damaged"].append(asdict(damage))
        report.item(clean(str(damage)), bare=str(damage.path))

    with report.answer(document):
        with report.progress("file") as step:
            found = store.verify(chosen(store, refs, conditions), move_aside, spare, done, damaged)
        document["files"] = found.files
        report.note(f"{found.files} files checked, {len(found.damages)} damaged, {len(found.left)} left so")
    if found.damages:
        ctx.exit(DAMAGE_FOUND)
