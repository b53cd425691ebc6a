"""The gallery: the vectors of a library, searched and filtered, in pages or in groups that share something."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import HTMLResponse

from sega_cli.browse.site import Site, SiteOf, noise_name
from sega_store import Entry, Group, Selection
from sega_store.library.selection import ALL, MOST_COUNTED

PAGE = 48
GROUPS = 20
GROUP_PAGE = 8
FACET = 12
ORDERS = {"newest": "Newest", "oldest": "Oldest", "rating": "Best rated", "concept": "Concept"}
GROUPINGS = {"": "No groups", "noise": "By noise", "concept": "By concept"}

router = APIRouter()


@dataclass(frozen=True)
class Filters:
    """What the gallery's address asks for; unknown parameters are ignored.

    Attributes:
        q: The search.
        sort: One of `ORDERS`.
        group: One of `GROUPINGS`.
    """

    q: str = ""
    concept: str | None = None
    model: str | None = None
    noise: Annotated[str | None, Query(pattern="^[0-9a-fA-F]{1,64}$")] = None
    tag: str | None = None
    rating: Annotated[int | None, Query(ge=1, le=5)] = None
    date: Annotated[str | None, Query(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")] = None
    sort: str = "newest"
    group: str = ""

    @property
    def selection(self) -> Selection:
        """The vectors that are asked for."""
        return Selection(self.q, self.concept, self.model, self.noise, self.tag, self.rating, self.date)

    def link(self, **changes: str | int | None) -> dict[str, str | int | None]:
        """The parameters of the same gallery with some of them changed."""
        mine = {name: value for name, value in vars(self).items() if value not in (None, "")}
        if mine.get("sort") == "newest":
            del mine["sort"]
        return {**mine, **changes}


FiltersOf = Annotated[Filters, Depends()]


@dataclass(frozen=True)
class Facet:
    """A way to narrow the gallery.

    Attributes:
        name: The parameter.
        choices: The values, each with its label, the number of vectors, and whether it is chosen.
        more: Whether there are more than are shown.
    """

    name: str
    title: str
    choices: list[tuple[str, str, int, bool]]
    more: bool = False


@router.get("/")
def gallery(site: SiteOf, filters: FiltersOf, after: str | None = None) -> HTMLResponse:
    """A page of the gallery; the filters on offer are counted by a second request, so that the tiles needn't wait."""
    return site.page(
        "gallery.html", headers={"HX-Trigger-After-Swap": "searched"}, **gallery_context(site, filters, after)
    )


@router.get("/facets")
def facets_page(site: SiteOf, filters: FiltersOf) -> HTMLResponse:
    """The filters on offer, with how many vectors each leaves."""
    total = site.library.catalogue.total(filters.selection)
    return site.page(
        "gallery_facets.html", filters=filters, facets=facets(site, filters), counted=counted(filters, total)
    )


@router.get("/tiles")
def tiles(site: SiteOf, filters: FiltersOf, after: str) -> HTMLResponse:
    """The tiles after a vector's."""
    return site.page("gallery_tiles.html", **tiles_context(site, filters, after))


@router.get("/groups")
def groups(site: SiteOf, filters: FiltersOf, skip: Annotated[int, Query(ge=0, le=1 << 31)] = 0) -> HTMLResponse:
    """The groups after the first `skip` ones."""
    return site.page("gallery_groups.html", **groups_context(site, filters, skip))


def gallery_context(site: Site, filters: Filters, after: str | None = None) -> dict[str, Any]:
    """What the gallery shows."""
    library = site.library
    context: dict[str, Any] = {
        "filters": filters,
        "chips": chips(filters),
        "total": library.catalogue.total(filters.selection),
        "size": len(library),
        "damaged": library.catalogue.damaged(),
        "orders": ORDERS,
        "groupings": GROUPINGS,
    }
    if filters.group in ("noise", "concept"):
        return context | groups_context(site, filters, 0)
    return context | tiles_context(site, filters, after)


def tiles_context(site: Site, filters: Filters, after: str | None) -> dict[str, Any]:
    """A page of tiles, and the vector after which the next page begins, if there is one."""
    sort = filters.sort if filters.sort in ORDERS else "newest"
    entries = site.library.catalogue.page(filters.selection, sort, after, PAGE + 1)
    return {
        "filters": filters,
        "entries": entries[:PAGE],
        "next": entries[PAGE - 1].id if len(entries) > PAGE else None,
    }


def groups_context(site: Site, filters: Filters, skip: int) -> dict[str, Any]:
    """A page of groups, each with its newest vectors."""
    found = site.library.catalogue.groups(filters.selection, filters.group, GROUPS + 1, skip)
    shown = []
    for group in found[:GROUPS]:
        own = Filters(**{**vars(filters), filters.group: group.value})
        shown.append((group, site.library.catalogue.page(own.selection, limit=GROUP_PAGE)))
    return {
        "filters": filters,
        "groups": shown,
        "next_groups": skip + GROUPS if len(found) > GROUPS else None,
    }


def counted(filters: Filters, total: int) -> int | None:
    """Among how many vectors the filters are counted, if not among all of the selection."""
    return MOST_COUNTED if filters.selection != ALL and total > MOST_COUNTED else None


def facets(site: Site, filters: Filters) -> list[Facet]:
    """The ways to narrow the gallery, with the number of vectors that each would leave."""
    found = site.library.catalogue.facets(filters.selection, FACET + 1)
    left = site.library.catalogue.total(filters.selection)

    def facet(name: str, title: str, group: str, label: Callable[[Group], str] = lambda group: group.value) -> Facet:
        chosen = getattr(filters, name)
        groups = found[group]
        choices = [(group.value, label(group), group.count, group.value == chosen) for group in groups[:FACET]]
        # the chosen value may be a rare one, or one that no vector left over has
        if chosen is not None and not any(choice[-1] for choice in choices):
            choices.append((chosen, chosen[:12] if name == "noise" else chosen, left, True))
        return Facet(name, title, choices, len(groups) > FACET)

    made = [
        facet("concept", "Concept", "concept"),
        facet("model", "Model", "model"),
        facet("noise", "Noise", "noise", lambda group: _noise(group.newest)),
        facet("tag", "Tag", "tag"),
        _ratings(found["rating"], filters.rating),
        facet("date", "Recorded", "month"),
    ]
    return [facet for facet in made if facet.choices]


def _ratings(groups: list[Group], chosen: int | None) -> Facet:
    """Ratings are counted from the best down, since three stars and up includes four."""
    choices, count = [], 0
    for group in groups:
        count += group.count
        rating = int(group.value)
        label = stars(rating) + (" and up" if rating < 5 else "")
        choices.append((group.value, label, count, rating == chosen))
    return Facet("rating", "Rating", choices)


def chips(filters: Filters) -> list[tuple[str, str]]:
    """The filters in use, each as a parameter and a text."""
    texts = {
        "q": f"“{filters.q}”" if filters.q else None,
        "concept": filters.concept,
        "model": filters.model,
        "noise": filters.noise and f"noise {filters.noise[:8]}",
        "tag": filters.tag and f"#{filters.tag}",
        "rating": filters.rating and f"{stars(filters.rating)} and up",
        "date": filters.date,
    }
    return [(name, text) for name, text in texts.items() if text]


def _noise(entry: Entry) -> str:
    """A name for a noise among others, some of which may share its seed."""
    return noise_name(entry) if entry.seed is None else f"{noise_name(entry)} · {entry.noise[:6]}"


def stars(rating: int) -> str:
    """A rating as stars."""
    return "★" * rating + "☆" * (5 - rating)
