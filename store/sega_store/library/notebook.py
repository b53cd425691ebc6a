"""How libraries show themselves in a notebook."""

from html import escape
from typing import TYPE_CHECKING

from sega_store.display.html import SIDE, image, text
from sega_store.errors import SegaError
from sega_store.records.vector_html import pictures_of

if TYPE_CHECKING:
    from sega_store.library.library import Library
    from sega_store.records.entry import Entry

SHOWN = 12  # vectors of a library


def library_html(library: "Library") -> str:
    """A library: its size, and its newest vectors with the pictures before and after."""
    entries, count = library.search(limit=SHOWN), len(library)
    tiles = "".join(_tile(library, entry) for entry in entries)
    more = f", the newest {len(entries)} here" if count > len(entries) else ""
    return (
        f"<div><strong>{text(library.where)}</strong>: {count:,} vectors{more}"
        f'<div style="display: flex; flex-wrap: wrap; gap: 16px; margin: 8px 0">{tiles}</div></div>'
    )


def _tile(library: "Library", entry: "Entry") -> str:
    try:
        shown = "".join(image(picture, caption, SIDE // 2) for picture, caption in pictures_of(library[entry.id])[:2])
    except SegaError as error:  # a damaged one must not hide the others
        shown = f"<em>{escape(str(error))}</em>"
    name = f"<div>{text(entry.name)}</div>" if entry.name else ""
    return (
        f'<div style="width: {SIDE}px; overflow-wrap: anywhere"><div>{shown}</div><strong>{text(entry.concept)}'
        f"</strong>{name}<div>{text(entry.prompt)}</div></div>"
    )
