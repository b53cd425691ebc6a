"""Which vectors can be applied together, and why others can't."""

from collections.abc import Sequence
from dataclasses import dataclass

from sega_store import Entry, GuidanceVector, Library, SegaError
from sega_store.records.provenance import NO_NOISE, OF_NO_NOISE

MOST_FIT = 24
MOST_UNFIT = 8


@dataclass(frozen=True)
class Candidate:
    """A vector that might join the picked ones, with the reason why it can't, which is empty if it can."""

    entry: Entry
    reason: str = ""


def candidates(library: Library, picked: Sequence[GuidanceVector], query: str = "") -> list[Candidate]:
    """The vectors that a search finds, with those that fit first.

    Args:
        picked: The vectors that are picked already; they fit each other.
        query: As for `Library.search`.
    """
    ids = {vector.id for vector in picked}
    most = MOST_FIT + len(picked)
    if not picked:
        return [Candidate(entry, unfit(library, entry, None)) for entry in library.search(query, limit=most)]
    noise = picked[0].provenance.noise.sha256
    near = [entry for entry in library.search(query, noise=noise, limit=most) if entry.id not in ids]
    far = [entry for entry in library.search(query, limit=most + MOST_UNFIT) if entry.noise != noise]
    found = [Candidate(entry, unfit(library, entry, picked[0])) for entry in (*near, *far[:MOST_UNFIT])]
    return sorted(found, key=lambda candidate: bool(candidate.reason))


def unfit(library: Library, entry: Entry, other: GuidanceVector | None) -> str:
    """Why a vector can't be applied, together with another if there is one; empty if it can."""
    if entry.noise == NO_NOISE:
        return OF_NO_NOISE
    if other is None:
        return ""
    facts = other.provenance
    if entry.noise != facts.noise.sha256:
        return f"another initial noise, {_named(entry.seed)} instead of {_named(facts.noise.seed)}"
    if entry.shape[1:] != other.shape[1:]:
        return f"another shape, {_shape(entry.shape)} instead of {_shape(other.shape)}"
    if entry.model == facts.model.id:
        return ""
    try:
        denoiser = library[entry.id].provenance.model.denoiser
    except SegaError as error:
        return str(error)
    if denoiser != facts.model.denoiser:
        return f"another architecture, {denoiser} instead of {facts.model.denoiser}"
    return ""


def _named(seed: int | None) -> str:
    return "one without a seed" if seed is None else f"seed {seed}"


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape[1:]))
