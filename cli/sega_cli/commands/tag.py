"""`sega-vec tag`: tag and rate a vector."""

from collections.abc import Sequence

import click

from sega_cli.options import Place, on_library, open_library
from sega_cli.printing.entry_line import print_entry
from sega_cli.printing.report import Report
from sega_cli.printing.terminal import clean

EXAMPLES = """\b
Examples:
  sega-vec tag glasses +portrait +favourite
  sega-vec tag --rating 5 glasses +portrait -draft
  sega-vec tag glasses

\b
Options must come before REF, since a word after it that begins with - removes a tag. A tag may contain spaces."""


# after the first argument nothing is an option, so that -q removes the tag q
@click.command("tag", epilog=EXAMPLES, context_settings={"allow_interspersed_args": False})
@click.argument("ref")
@click.argument("tags", metavar="[+TAG|-TAG]...", nargs=-1)
@click.option("--rating", type=click.IntRange(0, 5), help="A rating from 1 to 5; 0 removes it.")
@on_library
def command(ref: str, tags: Sequence[str], rating: int | None, library: Place, report: Report) -> None:
    """Tag and rate the vector REF.

    +TAG adds a tag, -TAG removes it. sega-vec ls finds vectors by their tags.
    """
    for tag in tags:
        if tag[:1] not in ("+", "-") or tag.startswith("--"):
            raise click.UsageError(
                f"Write +TAG to add a tag and -TAG to remove it, with options before REF; met {tag!r}."
            )
    store = open_library(library)
    entry = store.entry(ref)
    given = [(tag[0], tag[1:]) for tag in tags]
    for missing in {tag for sign, tag in given if sign == "-"} - {*entry.tags}:
        report.note(f"{clean(ref)} has no tag {clean(missing)!r}")
    kept = {*entry.tags}
    for sign, tag in given:
        (kept.add if sign == "+" else kept.discard)(tag)
    if given or rating is not None:
        entry = store.annotate(entry.id, tags=kept, rating=... if rating is None else rating or None)
    print_entry(report, store, entry)
