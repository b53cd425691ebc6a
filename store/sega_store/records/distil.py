"""Distilling: from the vectors of one concept at several initial noises, one that belongs to no single noise.

With m_i the dense m_t of N vectors, at every step, channel and place:

    mean        1/N Σ m_i
    stable      the mean, where at least a share of the vectors keep the entry
    sign_vote   the mean of the m_i > 0, where at least a share of the vectors have m_i > 0; of the m_i < 0 likewise
    principal   Σ w_i m_i, with w = U_k U_kᵀ 1/N: the mean, projected onto the first k principal components of the
                N x D matrix of the m_i over the whole run, where U_k are its first k left singular vectors

The matrix of `principal` isn't centred: centred components would be how vectors differ, while what they share is
wanted. It covers the whole run, so that a vector has one weight at all steps: a single step is too little to tell N
weights from chance.

Whatever the method, the result is then cut to what a recording keeps, the entries that reach the λ-quantile of their
step and channel with λ the parents' `keep_threshold`, and each step is scaled to the parents' mean energy (the L2 norm
of m_t), so that an `edit_guidance_scale` means the same to it as to them. A step where the method leaves nothing stays
empty. The order of the vectors doesn't matter: they are taken in that of their contents, and the facts of the result
are those of the first.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sega_store.errors import IncompatibleError, InvalidInputError
from sega_store.records.dtypes import Array, narrow
from sega_store.records.json_record import JSON
from sega_store.records.provenance import DISTILLED, NoiseFacts, utc_now
from sega_store.records.quantile import reaches_quantile
from sega_store.records.vector import GuidanceVector

MAX_PARENTS = 1024  # their hashes then take 67 kB of a root that may have a megabyte
_NOTHING = 1e-6  # of the parents' energy: what a method leaves of a step below that is rounding of float32


def mean(vectors: Sequence[GuidanceVector]) -> GuidanceVector:
    """The mean of m_t.

    Args:
        vectors: Of one concept and model, with the same shape and steps; 1 to `MAX_PARENTS`.

    Returns:
        A vector that belongs to no single noise, without preview; of the vectors' dtype if they share it, else float32.

    Raises:
        InvalidInputError: There are none, or too many.
        IncompatibleError: They don't belong together; the message names how.
    """
    parents = _parents(vectors)
    return _distilled(parents, _mean(parents), method="mean")


def stable(vectors: Sequence[GuidanceVector], share: float = 0.5) -> GuidanceVector:
    """The mean of m_t, where at least a `share` in (0, 1] of the vectors keep the entry; otherwise as `mean`."""
    parents, needed = _parents(vectors), _needed(vectors, share)
    counts = np.zeros(parents[0].shape, np.int32)
    for vector in parents:
        counts += vector.support
    return _distilled(parents, np.where(counts >= needed, _mean(parents), 0), method="stable", share=float(share))


def sign_vote(vectors: Sequence[GuidanceVector], share: float = 0.5) -> GuidanceVector:
    """The mean of those that agree, where at least a `share` in (0, 1] of the vectors keep the entry with one sign.

    Where both signs reach the share, the more frequent one wins, and equal numbers leave nothing; otherwise as `mean`.
    """
    parents, needed = _parents(vectors), _needed(vectors, share)
    shape = (2, *parents[0].shape)
    counts, sums = np.zeros(shape, np.int32), np.zeros(shape)
    for vector in parents:
        dense = vector.dense()
        for sign, side in enumerate((dense > 0, dense < 0)):
            counts[sign] += side
            sums[sign] += np.where(side, dense, 0)
    means = sums / counts.clip(min=1)
    won = [(counts[sign] >= needed) & (counts[sign] > counts[1 - sign]) for sign in (0, 1)]
    return _distilled(parents, np.select(won, list(means)), method="sign_vote", share=float(share))


def principal(vectors: Sequence[GuidanceVector], components: int = 1) -> GuidanceVector:
    """The mean of m_t, projected onto the first principal components; otherwise as `mean`.

    Args:
        vectors: As for `mean`; all of them are in memory at once, as float32.
        components: k, at least 1; with as many components as vectors, or more, the result is the mean itself.
    """
    parents = _parents(vectors)
    if components < 1:
        raise InvalidInputError(f"components must be at least 1, met {components}: it is how many are kept.")
    matrix = np.stack([vector.dense().ravel() for vector in parents])
    order = np.linalg.eigh(matrix.astype(np.float64) @ matrix.T)[1][:, ::-1]
    first = order[:, :components]
    weights = first @ (first.T @ np.full(len(parents), 1 / len(parents)))
    dense = (weights @ matrix).reshape(parents[0].shape)
    return _distilled(parents, dense, method="principal", components=int(components))


METHODS: dict[str, Callable[[Sequence[GuidanceVector]], GuidanceVector]] = {
    "mean": mean,
    "stable": stable,
    "sign_vote": sign_vote,
    "principal": principal,
}


def difference(first: GuidanceVector, other: GuidanceVector) -> str | None:
    """What keeps two vectors from being distilled together; None if nothing does."""
    facts = [(vector.provenance.model.fingerprint, vector.provenance.scheduler) for vector in (first, other)]
    pairs = {
        "concept": (first.concept, other.concept),
        "shape": (first.shape, other.shape),
        "timesteps": (first.timesteps.tolist(), other.timesteps.tolist()),
        "sigmas": (first.sigmas.tolist(), other.sigmas.tolist()),
        "model": (facts[0][0], facts[1][0]),
        "prediction_type": (facts[0][1].prediction_type, facts[1][1].prediction_type),
    }
    return next((name for name, (one, another) in pairs.items() if one != another), None)


def _parents(vectors: Sequence[GuidanceVector]) -> list[GuidanceVector]:
    """The vectors in their order, if they can be distilled together."""
    if not 1 <= len(vectors) <= MAX_PARENTS:
        raise InvalidInputError(
            f"A vector is distilled from 1 to {MAX_PARENTS} others, met {len(vectors)}: take as many."
        )
    parents = sorted(vectors, key=lambda vector: vector.content)
    for vector in parents:
        if (name := difference(parents[0], vector)) is not None:
            raise IncompatibleError(
                f"Vectors are distilled together only if they share their {name}, with all its parameters; met"
                f" {parents[0]!r} and {vector!r}. Leave one out, or record it as the other was."
            )
    return parents


def _needed(vectors: Sequence[GuidanceVector], share: float) -> float:
    if not 0 < share <= 1:
        raise InvalidInputError(f"share must be in (0, 1], met {share!r}: it is the part of the vectors that agree.")
    return share * len(vectors) * (1 - 1e-9)  # 0.1 * 30 is a little more than 3


def _mean(parents: Sequence[GuidanceVector]) -> Array:
    """The dense mean, as float64; with one vector in memory at a time."""
    total = np.zeros(parents[0].shape)
    for vector in parents:
        total += vector.dense()
    return total / len(parents)


def _distilled(parents: Sequence[GuidanceVector], dense: Array, **how: JSON) -> GuidanceVector:
    """The dense m_t, cut and scaled as the module says, with its provenance."""
    first = parents[0]
    dtype = first.dtype if len({vector.dtype for vector in parents}) == 1 else "float32"
    energy = np.mean([vector.energy() for vector in parents], axis=0)
    provenance = replace(
        first.provenance,
        noise=NoiseFacts.of_none(first.provenance.noise.dtype),
        run=replace(first.provenance.run, arguments={**first.provenance.run.arguments, DISTILLED: how}),
        created=utc_now(),
        derived_from=tuple(vector.content for vector in parents),
    )
    scaled = _scaled(_cut(dense, first.concept.keep_threshold), energy)
    return GuidanceVector.from_dense(
        first.concept, narrow(scaled, dtype), first.timesteps, first.sigmas, provenance, dtype
    )


def _cut(dense: Array, threshold: float) -> Array:
    """The entries that reach the λ-quantile of their step and channel, zeros elsewhere."""
    rows = math.prod(dense.shape[:2])
    magnitude = np.abs(dense).astype(np.float32).ravel()
    row = np.repeat(np.arange(rows), magnitude.size // rows)
    reached = reaches_quantile(magnitude, row, rows, magnitude.size // rows, threshold)
    return np.where(reached.reshape(dense.shape), dense, 0)


def _scaled(dense: Array, energy: Array) -> Array:
    """Each step scaled to an L2 norm, shape (T,); as float32."""
    per_step = (len(dense), *[1] * (dense.ndim - 1))
    norms = np.linalg.norm(dense.reshape(len(dense), -1), axis=1)
    factors = np.divide(energy, norms, out=np.zeros_like(norms), where=norms > _NOTHING * energy)
    scaled: Array = (dense * factors.reshape(per_step)).astype(np.float32)
    return scaled
