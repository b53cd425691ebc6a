"""How alike two guidance vectors are, step by step: the cosine of their values and the overlap of their supports."""

import numpy as np

from sega_store.errors import IncompatibleError
from sega_store.records.dtypes import Array
from sega_store.records.support import spread
from sega_store.records.vector import GuidanceVector


def cosine(first: GuidanceVector, second: GuidanceVector) -> Array:
    """The cosine of m_t between two vectors of one shape (T, C, *S), -1 to 1.

    Returns:
        One value a step, float64, shape (T,); NaN where one of the two keeps nothing.

    Raises:
        IncompatibleError: The shapes differ.
    """
    products = np.zeros((3, first.shape[0]))
    for blocks in zip(*(vector.blocks() for vector in _alike(first, second)), strict=True):
        a, b = (spread(*block).astype(np.float64) for block in blocks)  # the squares of float32's largest overflow
        products += [np.einsum("pt,pt->t", one, other) for one, other in ((a, b), (a, a), (b, b))]
    return _ratio(products[0], np.sqrt(products[1]) * np.sqrt(products[2]))


def overlap(first: GuidanceVector, second: GuidanceVector) -> Array:
    """The Jaccard index of two supports, |A ∩ B| / |A ∪ B|, 0 to 1; result and errors as of `cosine`."""
    both, either = np.zeros((2, first.shape[0]))
    for a, b in zip(*(vector.packed.blocks() for vector in _alike(first, second)), strict=True):
        both += (a & b).sum(axis=0)
        either += (a | b).sum(axis=0)
    return _ratio(both, either)


def _alike(first: GuidanceVector, second: GuidanceVector) -> tuple[GuidanceVector, GuidanceVector]:
    if first.shape != second.shape:
        raise IncompatibleError(
            f"Vectors are compared entry by entry, so their shapes must agree; met {first.shape} and {second.shape}:"
            " record both with one size and number of steps."
        )
    return first, second


def _ratio(part: Array, whole: Array) -> Array:
    ratio: Array = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return ratio
