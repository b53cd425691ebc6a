"""`sega-vec tag`: tag and rate a vector."""

from collections.abc import Sequence

import click

from sega_cli.options import Place, library_option, reporting
from sega_cli.printing.entry_line import print_entry
from sega_cli.printing.report import Report
from sega_cli.printing.terminal import clean

EXAMPLES = """\b
Examples:
  sega-vec tag glasses +portrait +favourite
  sega-vec tag --rating 5 glasses +portrait -draft
  sega-vec tag glasses

\b
Options stand before REF, for a word after it that begins with - takes a tag away. A tag may hold blanks."""


# after the first argument nothing is an option: -q would be one, and takes the tag q away
@click.command("tag", epilog=EXAMPLES, context_settings={"allow_interspersed_args": False})
@click.argument("ref")
@click.argument("tags", metavar="[+TAG|-TAG]...", nargs=-1)
@click.option("--rating", type=click.IntRange(0, 5), help="From 1 to 5; 0 takes it away.")
@library_option
@reporting
def command(ref: str, tags: Sequence[str], rating: int | None, library: Place, report: Report) -> None:
    """Tag and rate the vector REF.

    +TAG adds a tag, -TAG takes it away. sega-vec ls finds vectors by their tags.
    """
    for tag in tags:
        if tag[:1] not in ("+", "-") or tag.startswith("--"):
            raise click.UsageError(
                f"Write +TAG to add a tag and -TAG to take it away, options before REF; met {tag!r}."
            )
    from sega_store import Library

    store = Library(library)
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
