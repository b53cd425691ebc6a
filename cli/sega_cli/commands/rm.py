"""`sega-vec rm`: remove guidance vectors from a library."""

import click

from sega_cli.options import Place, on_library, open_library
from sega_cli.printing.report import Report
from sega_cli.printing.terminal import clean

EXAMPLES = """\b
Examples:
  sega-vec rm glasses
  sega-vec rm glasses smile --yes

\b
An initial noise is removed with the last vector that was recorded from it."""


@click.command("rm", epilog=EXAMPLES)
@click.argument("refs", metavar="REF...", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Don't ask for confirmation.")
@on_library
def command(refs: tuple[str, ...], yes: bool, library: Place, report: Report) -> None:
    """Remove the vectors REF.

    If one of them is unknown, none is removed.
    """
    store = open_library(library)
    found = {store.resolve(ref): ref for ref in refs}
    if not yes:
        for identity, ref in found.items():
            report.note(f"{store.short(identity)}  {clean(ref)}")
        if not click.confirm(f"Remove {len(found)} from {clean(str(library))}?", err=True):
            raise click.ClickException("nothing was removed")
    for identity, ref in found.items():
        short = store.short(identity)
        store.remove(identity)
        report.item(f"removed {short}  {clean(ref)}", bare=identity)
    report.document({"library": str(library), "removed": list(found)})
