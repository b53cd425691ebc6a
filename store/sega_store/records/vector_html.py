"""How vectors show themselves in a notebook."""

from contextlib import suppress
from typing import TYPE_CHECKING

from sega_store.display.html import SIDE, image, text
from sega_store.display.pictures import drawn, reencoded, relative
from sega_store.errors import InvalidInputError
from sega_store.records.activity import activity

if TYPE_CHECKING:
    from sega_store.records.vector import GuidanceVector

_MAX_SIDE = 512


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
    lines = "".join(f"<div>{text(name)}: {text(value)}</div>" for name, value in facts.items())
    pictures = "".join(
        f'<figure style="margin: 0">{image(picture, caption, SIDE)}<figcaption>{caption}</figcaption></figure>'
        for picture, caption in pictures_of(vector)
    )
    return (
        f"<div><strong>{text(vector.concept.text)}</strong>"
        f'<div style="display: flex; flex-wrap: wrap; gap: 12px; margin: 8px 0">{pictures}</div>{lines}</div>'
    )


def pictures_of(vector: "GuidanceVector") -> list[tuple[bytes, str]]:
    """What can be shown of a vector, each with its caption."""
    pictures: list[tuple[bytes, str]] = []
    if vector.preview is not None:
        for encoded, caption in ((vector.preview.before, "before"), (vector.preview.after, "after")):
            with suppress(InvalidInputError):  # a stranger's preview needn't be a picture
                pictures.append((reencoded(encoded, _MAX_SIDE), caption))
    return [*pictures, (drawn(relative(activity(vector))), "where it acts")]
