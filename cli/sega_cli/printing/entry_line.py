"""What `tag`, `rename` and `note` print of a vector."""

from typing import TYPE_CHECKING

from sega_cli.printing.report import Report
from sega_cli.printing.terminal import clean

if TYPE_CHECKING:
    from sega_store import Entry, Library


def print_entry(report: Report, store: "Library", entry: "Entry") -> None:
    """Print one line with the REF and all its annotations."""
    said = [entry.name or entry.concept, *(f"+{tag}" for tag in entry.tags)]
    if entry.rating is not None:
        said.append("★" * entry.rating)
    if entry.notes:
        said.append(entry.notes)
    report.item("  ".join([store.short(entry.id), *map(clean, said)]), bare=entry.id)
