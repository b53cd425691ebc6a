"""The same pages as files, for a Hugging Face Space, GitHub Pages or a folder.

They need no server, and load nothing from elsewhere.

index.html                          the gallery; its script searches what is embedded in it
vectors/<id>.html                   a page for each vector
noises/<sha256>.html, .png          a page and a picture for each noise
pictures/<id>/<name>.png            as `sega_cli.browse.pages.pictures` names them
static/                             styles and scripts
"""

import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from sega_cli.browse.app import STATIC
from sega_cli.browse.pages.gallery import Filters, facets, gallery_context
from sega_cli.browse.pages.noise import noise_context
from sega_cli.browse.pages.pictures import draw, draw_noise
from sega_cli.browse.pages.vector import vector_context
from sega_cli.browse.parts.links import Links
from sega_cli.browse.site import Site, cut
from sega_store import Entry, InvalidInputError, Library, VectorFileError
from sega_store.display.pictures import as_png
from sega_store.files.regular_file import user_path

_INDEXED = ("id", "concept", "name", "prompt", "model", "noise", "tags", "rating", "notes")
ASSETS = ("app.css", "app.js", "exported.js", "icon.svg", "theme.js")


def export_site(
    library: Library, folder: Path, step: Callable[[], object] = lambda: None
) -> tuple[int, list[VectorFileError]]:
    """Writes the pages of a library; the folder appears when all is written.

    Args:
        folder: The folder to create; nothing may be there yet.
        step: Called after every vector.

    Returns:
        The number of vectors, and what is wrong with those that are damaged: their pages say it, too.

    Raises:
        InvalidInputError: There is something at the path, or no vector in the library.
    """
    target = user_path(folder).absolute()
    if os.path.lexists(target):
        raise InvalidInputError(f"{target} is there already. Remove it, or choose another path.")
    entries = library.catalogue.page()
    if not entries:
        raise InvalidInputError(f"{library.where} has no vectors, so there is nothing to show.")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        for name in ("static", "vectors", "noises", "pictures"):
            (draft / name).mkdir(parents=True)
        for name in ASSETS:
            shutil.copyfile(STATIC / name, draft / "static" / name)
        within = Site(library, Links("../"), live=False)
        damaged: list[VectorFileError] = []
        for entry in entries:
            try:
                _write_vector(draft, within, entry)
            except VectorFileError as error:
                damaged.append(error)
                _write_damaged(draft, within, entry, error)
            step()
        for sha256 in dict.fromkeys(entry.noise for entry in entries):
            try:
                _write_noise(draft, within, sha256)
            except VectorFileError as error:
                damaged.append(error)
                page = within.render("error.html", title="This noise is damaged", message=str(error))
                (draft / "noises" / f"{sha256}.html").write_text(page, encoding="utf-8")
        _write_gallery(draft, replace(within, links=Links("")), entries)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return len(entries), damaged


def _write_vector(root: Path, site: Site, entry: Entry) -> None:
    context = vector_context(site, entry.id)
    (root / "vectors" / f"{entry.id}.html").write_text(site.render("vector.html", **context), encoding="utf-8")
    names = ["before-small", "after-small", "acts", "steps", *([] if context["preview"] else ["before", "after"])]
    names += [f"channel-{channel}" for channel, *_ in context["channels"]]
    pictures = root / "pictures" / entry.id
    pictures.mkdir()
    for name in names:
        (pictures / f"{name}.png").write_bytes(draw(site, entry.id, name))


def _write_damaged(root: Path, site: Site, entry: Entry, error: VectorFileError) -> None:
    """A page that says what is wrong, and grey pictures for the tile."""
    page = site.render("error.html", title="This vector is damaged", message=str(error))
    (root / "vectors" / f"{entry.id}.html").write_text(page, encoding="utf-8")
    pictures = root / "pictures" / entry.id
    pictures.mkdir(exist_ok=True)
    for name in ("before-small", "after-small", "acts"):
        (pictures / f"{name}.png").write_bytes(as_png(np.full((64, 64, 3), 128, np.uint8)))


def _write_noise(root: Path, site: Site, sha256: str) -> None:
    context = noise_context(site, sha256)
    (root / "noises" / f"{sha256}.html").write_text(site.render("noise.html", **context), encoding="utf-8")
    if context["noise"] is not None:
        (root / "noises" / f"{sha256}.png").write_bytes(draw_noise(context["noise"]))


def _write_gallery(root: Path, site: Site, entries: list[Entry]) -> None:
    context = gallery_context(site, Filters())
    context["facets"], context["counted"] = facets(site, Filters()), None
    context["index"] = [  # what the gallery's script knows of a vector
        {
            **{name: cut(getattr(entry, name)) for name in _INDEXED},
            "seed": None if entry.seed is None else str(entry.seed),
            "date": entry.created[:10],
        }
        for entry in entries
    ]
    (root / "index.html").write_text(site.render("gallery.html", **context), encoding="utf-8")
