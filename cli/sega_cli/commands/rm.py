"""`sega-vec rm`: remove guidance vectors from a library."""

import click

from sega_cli.options import Place, on_library, open_library
from sega_cli.printing.confirmation import confirmed
from sega_cli.printing.report import Report
from sega_cli.printing.terminal import clean
from sega_cli.selection import STDIN, Conditions, chosen, selection_options

EXAMPLES = """\b
Examples:
  sega-vec rm glasses
  sega-vec rm glasses smile --yes
  sega-vec rm --concept glasses --seed 21..25
  sega-vec ls --quiet portrait | sega-vec rm - --yes

\b
Removed are the vectors REF, those of them that meet the conditions, or without REFs all that do. - stands for REFs on
standard input, one a line. An initial noise is removed with the last vector that was recorded from it."""

_LISTED = 20


@click.command("rm", epilog=EXAMPLES)
@click.argument("refs", metavar="[REF]...", nargs=-1)
@selection_options
@click.option("-y", "--yes", is_flag=True, help="Don't ask for confirmation.")
@on_library
def command(refs: tuple[str, ...], conditions: Conditions, yes: bool, library: Place, report: Report) -> None:
    """Remove the vectors REF.

    If one of them is unknown, none is removed.
    """
    if not refs and not conditions:
        raise click.UsageError("rm removes what is named or chosen, met neither: give REFs, or a condition.")
    if STDIN in refs and not yes:
        raise click.UsageError("standard input gives the REFs, so it can't confirm them too: add --yes.")
    store = open_library(library)
    ids = list(dict.fromkeys(map(store.resolve, chosen(store, refs, conditions))))
    said = {
        identity: f"{store.short(identity)}  {clean(entry.name or entry.concept)}  seed {entry.seed}"
        for identity, entry in store.catalogue.entries(ids).items()
    }
    if not yes:
        for line in list(said.values())[:_LISTED]:
            report.note(line)
        if len(ids) > _LISTED:
            report.note(f"and {len(ids) - _LISTED} more")
        unanswered = "removing must be confirmed, and standard input gave no answer: add --yes; nothing was removed"
        if not confirmed(f"Remove {len(ids)} from {clean(str(library))}?", unanswered):
            raise click.ClickException("nothing was removed")
    removed: list[str] = []
    with report.answer({"library": str(library), "removed": removed}):
        for identity in ids:
            store.remove(identity)
            removed.append(identity)
            report.item(f"removed {said[identity]}", bare=identity)
