"""`sega-vec tag`: tag and rate vectors."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from sega_cli.options import Place, on_library, open_library
from sega_cli.printing.entry_line import print_entry
from sega_cli.printing.report import Report
from sega_cli.printing.terminal import clean
from sega_cli.selection import STDIN, Conditions, chosen, selection_options

if TYPE_CHECKING:
    from sega_store import Entry, Library

EXAMPLES = """\b
Examples:
  sega-vec tag glasses +portrait +favourite
  sega-vec tag --rating 5 glasses +portrait -draft
  sega-vec tag glasses
  sega-vec tag --concept glasses --since 2026-01-31 +checked
  sega-vec ls --quiet portrait | sega-vec tag - +portrait

\b
Options must come before REF, since a word after it that begins with - removes a tag. A tag may contain spaces.
Tagged is the vector REF; with conditions, all its vectors that meet them, or without REF all that do. A REF of - stands
for those on standard input, one a line."""


# after the first argument nothing is an option, so that -q removes the tag q
@click.command("tag", epilog=EXAMPLES, context_settings={"allow_interspersed_args": False})
@click.argument("words", metavar="[REF] [+TAG|-TAG]...", nargs=-1)
@selection_options
@click.option("--rating", type=click.IntRange(0, 5), help="A rating from 1 to 5; 0 removes it.")
@on_library
def command(words: Sequence[str], conditions: Conditions, rating: int | None, library: Place, report: Report) -> None:
    """Tag and rate the vector REF, or all that meet the conditions.

    +TAG adds a tag, -TAG removes it. sega-vec ls finds vectors by their tags.
    """
    if not words and not conditions:
        raise click.UsageError("tag needs a vector, met none: give its REF, or a condition.")
    named = not conditions or (bool(words) and (words[0] == STDIN or words[0][:1] not in ("+", "-")))
    refs, tags = (words[:1], words[1:]) if named else ((), words)
    for tag in tags:
        if tag[:1] not in ("+", "-") or tag.startswith("--"):
            raise click.UsageError(
                f"Write +TAG to add a tag and -TAG to remove it, with options before REF; met {tag!r}."
            )
    store = open_library(library)
    given = [(tag[0], tag[1:]) for tag in tags]
    entries = [store.entry(ref) for ref in dict.fromkeys(chosen(store, refs, conditions))]
    if not conditions and STDIN not in refs:
        (entry,) = entries
        report.document(asdict(_tagged(store, entry, given, rating, report)))
        return
    rows: list[dict[str, Any]] = []
    with report.answer({"library": str(library), "vectors": rows}):
        for entry in entries:
            entry = _tagged(store, entry, given, rating, report)
            rows.append(asdict(entry))


def _tagged(
    store: "Library", entry: "Entry", given: Sequence[tuple[str, str]], rating: int | None, report: Report
) -> "Entry":
    """Tag and rate a vector, if there is a tag or rating, and print its line."""
    for missing in {tag for sign, tag in given if sign == "-"} - {*entry.tags}:
        report.note(f"{clean(entry.name or entry.concept)} has no tag {clean(missing)!r}")
    kept = {*entry.tags}
    for sign, tag in given:
        (kept.add if sign == "+" else kept.discard)(tag)
    if given or rating is not None:
        entry = store.annotate(entry.id, tags=kept, rating=... if rating is None else rating or None)
    print_entry(report, store, entry)
    return entry
