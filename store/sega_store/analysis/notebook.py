"""How libraries and vectors show themselves in a notebook: HTML with pictures as data URIs, and every text escaped.

A notebook that is opened elsewhere shows the same, for nothing is referred to.
"""

from base64 import b64encode
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

from sega_store.analysis.activity import activity, strength
from sega_store.analysis.pictures import drawn, reencoded, relative
from sega_store.errors import InvalidInputError, SegaError

if TYPE_CHECKING:
    from sega_store.library.library import Library
    from sega_store.records.entry import Entry
    from sega_store.records.vector import GuidanceVector

SHOWN = 12  # vectors of a library
SIDE = 160  # pixels
_MAX_SIDE = 512
_MAX_TEXT = 200


def vector_html(vector: "GuidanceVector") -> str:
    """A vector: its pictures before and after, where it acts, and where it comes from."""
    run, noise = vector.provenance.run, vector.provenance.noise
    facts = {
        "prompt": run.prompt,
        "model": vector.provenance.model.id,
        "initial noise": f"{noise.sha256[:12]}{'' if noise.seed is None else f', seed {noise.seed}'}",
        "shape": f"{' × '.join(map(str, vector.shape))}, {vector.dtype}, {vector.nnz:,} entries",
        "id": vector.id[:12],
    }
    lines = "".join(f"<div>{_text(name)}: {_text(value)}</div>" for name, value in facts.items())
    pictures = "".join(_figure(picture, caption) for picture, caption in _pictures(vector))
    return (
        f"<div><strong>{_text(vector.concept.text)}</strong>"
        f'<div style="display: flex; flex-wrap: wrap; gap: 12px; margin: 8px 0">{pictures}</div>{lines}</div>'
    )


def library_html(library: "Library") -> str:
    """A library: its size, and its newest vectors with the pictures before and after."""
    entries, count = library.search(limit=SHOWN), len(library)
    tiles = "".join(_tile(library, entry) for entry in entries)
    more = f", the newest {len(entries)} here" if count > len(entries) else ""
    return (
        f"<div><strong>{_text(library.where)}</strong>: {count:,} vectors{more}"
        f'<div style="display: flex; flex-wrap: wrap; gap: 16px; margin: 8px 0">{tiles}</div></div>'
    )


def _tile(library: "Library", entry: "Entry") -> str:
    try:
        shown = "".join(_image(picture, caption, SIDE // 2) for picture, caption in _pictures(library[entry.id])[:2])
    except SegaError as error:  # a damaged one must not hide the others
        shown = f"<em>{escape(str(error))}</em>"
    name = f"<div>{_text(entry.name)}</div>" if entry.name else ""
    return (
        f'<div style="width: {SIDE}px; overflow-wrap: anywhere"><div>{shown}</div><strong>{_text(entry.concept)}'
        f"</strong>{name}<div>{_text(entry.prompt)}</div></div>"
    )


def _pictures(vector: "GuidanceVector") -> list[tuple[bytes, str]]:
    """What can be shown of a vector, each with its caption."""
    made: list[tuple[Callable[[], bytes], str]] = []
    if (preview := vector.preview) is not None:
        made += [(lambda: reencoded(preview.before, _MAX_SIDE), "before")]
        made += [(lambda: reencoded(preview.after, _MAX_SIDE), "after")]
    made += [(lambda: drawn(relative(strength(activity(vector), 0, 1))), "where it acts")]
    return [shown for picture, caption in made if (shown := _shown(picture, caption)) is not None]


def _shown(picture: Callable[[], bytes], caption: str) -> tuple[bytes, str] | None:
    try:
        return picture(), caption
    except InvalidInputError:  # a stranger's preview needn't be a picture
        return None


def _figure(picture: bytes, caption: str) -> str:
    return f'<figure style="margin: 0">{_image(picture, caption, SIDE)}<figcaption>{caption}</figcaption></figure>'


def _image(picture: bytes, caption: str, side: int) -> str:
    data = b64encode(picture).decode()
    return (
        f'<img src="data:image/png;base64,{data}" alt="{caption}" width="{side}" height="{side}"'
        ' style="object-fit: contain; image-rendering: pixelated">'
    )


def _text(text: str) -> str:
    return escape(text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…")
