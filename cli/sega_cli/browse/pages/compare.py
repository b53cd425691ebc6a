"""Two to eight vectors beside each other: how alike they are, where they differ, and which can act together."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from starlette.responses import Response

from sega_cli.browse.parts.plots import plot
from sega_cli.browse.site import SiteOf
from sega_store import GuidanceVector, InvalidInputError
from sega_store.analysis.similarity import cosine, overlap

LEAST, MOST = 2, 8
LEVELS = 10

router = APIRouter()


@router.get("/compare")
def compare(site: SiteOf, id: Annotated[list[str] | None, Query()] = None) -> Response:
    """Compares vectors with the first of them."""
    refs = list(dict.fromkeys(id or []))
    if not refs:
        return site.page("compare_start.html")
    if not LEAST <= len(refs) <= MOST:
        raise InvalidInputError(f"A comparison takes {LEAST} to {MOST} different vectors, met {len(refs)}.")
    ids = [site.library.resolve(ref) for ref in refs]
    vectors = [site.library[identity] for identity in ids]
    entries = site.library.catalogue.entries(ids)
    measures = {
        "Cosine": ("of the values, −1 to 1", cosine, -1.0),
        "Overlap": (
            "of the supports (the entries kept): the entries that both keep, as a share of those that either keeps",
            overlap,
            0.0,
        ),
    }
    shown = [entries[identity] for identity in ids]
    labels = [entry.concept if entry.seed is None else f"{entry.concept}, seed {entry.seed}" for entry in shown]
    first = vectors[0]
    alike = [(v, label) for v, label in list(zip(vectors, labels, strict=True))[1:] if v.shape == first.shape]
    return site.page(
        "compare.html",
        entries=shown,
        ids=ids,
        labels=labels,
        matrices=[(name, what, matrix(vectors, measure)) for name, (what, measure, _) in measures.items()],
        plots=[
            plot(
                f"{name} with {first.concept.text}, in each step",
                [(label, measure(first, v).tolist()) for v, label in alike],
                low,
                1.0,
            )
            for name, (_, measure, low) in measures.items()
            if alike
        ],
        differences=[(entry, entry.shape[1:] == first.shape[1:]) for entry in shown[1:]],
        together=[[why_not(a, b) for b in vectors] for a in vectors],
    )


def matrix(vectors: Sequence[GuidanceVector], measure: Any) -> list[list[tuple[float, int] | None]]:
    """The mean over the steps of a measure for each pair, with a level from 0 to `LEVELS`; None for other shapes."""

    def cell(a: GuidanceVector, b: GuidanceVector) -> tuple[float, int] | None:
        if a.shape != b.shape:
            return None
        mean = _mean(measure(a, b))
        return (round(mean, 2) + 0.0, round(abs(mean) * LEVELS)) if np.isfinite(mean) else None  # makes -0.0 0.0

    return [[cell(a, b) for b in vectors] for a in vectors]


def why_not(a: GuidanceVector, b: GuidanceVector) -> str | None:
    """Why two vectors can't act together in one run; None if they can."""
    one, other = a.provenance, b.provenance
    if a.shape[1:] != b.shape[1:]:
        return "another sample shape"
    if one.model.denoiser != other.model.denoiser:
        return "another denoiser"
    if one.noise.sha256 != other.noise.sha256:
        return "another initial noise"
    return None


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
