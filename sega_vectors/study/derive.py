"""Vectors that a study makes from recorded ones: controls, other precisions, and what may hold at any noise."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sega_store import GuidanceVector
from sega_store.records import distil
from sega_store.records.dtypes import Array, narrow

Way = Callable[[Sequence[GuidanceVector], float], GuidanceVector]
"""Makes a vector from its parents and a parameter, which some ways ignore."""


def shuffled(vector: GuidanceVector, seed: int) -> GuidanceVector:
    """The placebo: the places of the picture are shuffled, in the same way for all steps and channels.

    The energy and the count of every step and channel stay, and so does what steps and channels have in common.
    """
    dense = vector.dense()
    order = np.random.default_rng(seed).permutation(dense[0, 0].size)
    moved = dense.reshape(*dense.shape[:2], -1)[..., order].reshape(dense.shape)
    return _with_values(vector, moved, vector.dtype)


def stored_as(dtype: str, vector: GuidanceVector) -> GuidanceVector:
    """The same values, rounded to another precision."""
    return _with_values(vector, vector.dense(), dtype)


def _with_values(vector: GuidanceVector, dense: Array, dtype: str) -> GuidanceVector:
    facts = replace(vector.provenance, derived_from=(vector.content,))
    values = narrow(dense, dtype)
    return GuidanceVector.from_dense(vector.concept, values, vector.timesteps, vector.sigmas, facts, dtype)


WAYS: dict[str, Way] = {
    "shuffled": lambda parents, seed: shuffled(parents[0], int(seed)),
    "float16": lambda parents, _: stored_as("float16", parents[0]),
    "bfloat16": lambda parents, _: stored_as("bfloat16", parents[0]),
    "difference": lambda parents, _: parents[0] - parents[1],
    "mean": lambda parents, _: distil.mean(parents),
    "sign_vote": distil.sign_vote,
    "stable": distil.stable,
    "principal": lambda parents, components: distil.principal(parents, int(components)),
}
