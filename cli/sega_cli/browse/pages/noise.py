"""A noise's page: the vectors that were recorded from it, which can act together, and its plain runs."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from sega_cli.browse.site import Site, SiteOf
from sega_store import Entry, InitialNoise, SegaError, Selection, UnknownRefError
from sega_store.places import layout

SHOWN = 96
PLAIN = 24

router = APIRouter()


@router.get("/noises/{sha256}")
def noise_page(site: SiteOf, sha256: str) -> Response:
    """A noise's page; the beginning of its hash redirects there."""
    context = noise_context(site, sha256)
    if context["sha256"] != sha256:
        return RedirectResponse(site.links.noise(context["sha256"]), 307)
    return site.page("noise.html", **context)


def noise_context(site: Site, sha256: str) -> dict[str, Any]:
    """What the page of a noise shows.

    Raises:
        UnknownRefError: No vector was recorded from such a noise.
    """
    library = site.library
    selection = Selection(noise=sha256)
    noises = library.catalogue.groups(selection, "noise", 2)
    if len(noises) != 1:
        raise UnknownRefError(
            f"{len(noises) or 'No'} noises of this library begin with {sha256!r}: give one whole hash."
        )
    (group,) = noises
    entries = library.catalogue.page(selection, "concept", limit=SHOWN)
    noise, problem = _noise(site, group.value)
    plain: dict[tuple[str, str], Entry] = {}
    for entry in library.catalogue.page(selection, limit=SHOWN):
        plain.setdefault((entry.prompt, entry.model), entry)
    return {
        "sha256": group.value,
        "newest": group.newest,
        "count": group.count,
        "entries": entries,
        "noise": noise,
        "problem": problem,
        "plain": list(plain.values())[:PLAIN],
        "concepts": library.catalogue.groups(selection, "concept", 24),
    }


def noise_is_held(site: Site, sha256: str) -> bool:
    """Whether the library has a noise's file."""
    return site.library.files.exists(layout.noise_key(sha256))


def _noise(site: Site, sha256: str) -> tuple[InitialNoise | None, str | None]:
    """The noise, or why it is missing."""
    if not noise_is_held(site, sha256):
        why = "The library doesn't hold this noise: its vectors were added without it, and can't be applied from here."
        return None, why
    try:
        return site.library.noise(sha256), None
    except SegaError as error:
        return None, str(error)
