"""Vectors that a study makes from recorded ones: controls, other precisions, and what may hold at any noise.

What may hold at any noise is made of the dense m_i of N vectors of one concept, recorded alike at as many noises:

    mean        1/N Σ m_i
    stable      the mean, where at least a share of the vectors keep the entry
    sign_vote   the mean of the m_i > 0, where at least a share of the vectors have m_i > 0; of the m_i < 0 likewise
    principal   Σ w_i m_i, with w = U_k U_kᵀ 1/N: the mean, projected onto the first k principal components of the
                N x D matrix of the m_i over the whole run, where U_k are its first k left singular vectors

The matrix of `principal` isn't centred: centred components would be how vectors differ, while what they share is
wanted. It is of the whole run, so that a vector has one weight at all steps: a single step is too little to tell N
weights from chance.

The result is then cut to what a recording keeps, the entries that reach the λ-quantile of their step and channel with λ
the parents' `keep_threshold`, and each step is scaled to the parents' mean energy, so that an `edit_guidance_scale`
means the same to it as to them. A step where nothing is left stays empty.

All carry the facts of their first parent, its noise included, until the laboratory moves them to the noise of a run.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sega_store import GuidanceVector
from sega_store.records.dtypes import Array, narrow

_NOTHING = 1e-6  # of the parents' energy: what is left of a step below that is rounding of float32

Way = Callable[[Sequence[GuidanceVector], float], GuidanceVector]
"""Makes a vector from its parents and a parameter, which some ways ignore."""


def shuffled(vector: GuidanceVector, seed: int) -> GuidanceVector:
    """The placebo: the places of the picture are shuffled, in the same way for all steps and channels.

    The energy and the count of every step and channel stay, and so does what steps and channels have in common.
    """
    dense = vector.dense()
    order = np.random.default_rng(seed).permutation(dense[0, 0].size)
    moved = dense.reshape(*dense.shape[:2], -1)[..., order].reshape(dense.shape)
    return _with_values([vector], moved, vector.dtype)


def stored_as(dtype: str, vector: GuidanceVector) -> GuidanceVector:
    """The same values, rounded to another precision."""
    return _with_values([vector], vector.dense(), dtype)


def mean(parents: Sequence[GuidanceVector]) -> GuidanceVector:
    """The mean of m_t."""
    return _like_recorded(parents, _mean(parents))


def stable(parents: Sequence[GuidanceVector], share: float) -> GuidanceVector:
    """The mean of m_t, where at least a `share` in (0, 1] of the vectors keep the entry."""
    counts = np.sum([vector.support for vector in parents], axis=0)
    return _like_recorded(parents, np.where(counts >= _needed(parents, share), _mean(parents), 0))


def sign_vote(parents: Sequence[GuidanceVector], share: float) -> GuidanceVector:
    """The mean of those that agree, where at least a `share` in (0, 1] of the vectors keep the entry with one sign.

    Where both signs reach the share, the more frequent one wins, and equal numbers leave nothing.
    """
    shape = (2, *parents[0].shape)
    counts, sums = np.zeros(shape, np.int32), np.zeros(shape)
    for vector in parents:
        dense = vector.dense()
        for sign, side in enumerate((dense > 0, dense < 0)):
            counts[sign] += side
            sums[sign] += np.where(side, dense, 0)
    means = sums / counts.clip(min=1)
    won = (counts >= _needed(parents, share)) & (counts > counts[::-1])
    return _like_recorded(parents, np.select(list(won), list(means)))


def principal(parents: Sequence[GuidanceVector], components: int) -> GuidanceVector:
    """The mean of m_t, projected onto the first principal components, at least one."""
    matrix = np.stack([vector.dense().ravel() for vector in parents])
    order = np.linalg.eigh(matrix.astype(np.float64) @ matrix.T)[1][:, ::-1]
    first = order[:, :components]
    weights = first @ (first.T @ np.full(len(parents), 1 / len(parents)))
    return _like_recorded(parents, (weights @ matrix).reshape(parents[0].shape))


WAYS: dict[str, Way] = {
    "shuffled": lambda parents, seed: shuffled(parents[0], int(seed)),
    "float16": lambda parents, _: stored_as("float16", parents[0]),
    "bfloat16": lambda parents, _: stored_as("bfloat16", parents[0]),
    "difference": lambda parents, _: parents[0] - parents[1],
    "mean": lambda parents, _: mean(parents),
    "sign_vote": sign_vote,
    "stable": stable,
    "principal": lambda parents, components: principal(parents, int(components)),
}


def _needed(parents: Sequence[GuidanceVector], share: float) -> float:
    return share * len(parents) * (1 - 1e-9)  # 0.1 * 30 is a little more than 3


def _mean(parents: Sequence[GuidanceVector]) -> Array:
    """The dense mean, as float64; with one vector in memory at a time."""
    total = np.zeros(parents[0].shape)
    for vector in parents:
        total += vector.dense()
    return total / len(parents)


def _like_recorded(parents: Sequence[GuidanceVector], dense: Array) -> GuidanceVector:
    """The vector of a dense m_t, cut and scaled as the module says."""
    first = parents[0]
    everything = replace(first, concept=replace(first.concept, keep_threshold=0.0))
    kept = _with_values([everything], dense, "float32").thresholded(first.concept.keep_threshold)
    norms, energy = kept.energy(), np.mean([vector.energy() for vector in parents], axis=0)
    factors = np.divide(energy, norms, out=np.zeros_like(norms), where=norms > _NOTHING * energy)
    per_step = factors.reshape(-1, *[1] * (dense.ndim - 1))
    return _with_values(parents, np.where(kept.support, dense * per_step, 0), first.dtype)


def _with_values(parents: Sequence[GuidanceVector], dense: Array, dtype: str) -> GuidanceVector:
    first = parents[0]
    facts = replace(first.provenance, derived_from=tuple(parent.content for parent in parents))
    values = narrow(dense.astype(np.float32), dtype)
    return GuidanceVector.from_dense(first.concept, values, first.timesteps, first.sigmas, facts, dtype)
