"""How alike two guidance vectors are, step by step: the cosine of their values and the overlap of their supports."""

import numpy as np

from sega_store.errors import IncompatibleError
from sega_store.records.dtypes import Array
from sega_store.records.vector import GuidanceVector


def cosine(first: GuidanceVector, second: GuidanceVector) -> Array:
    """The cosine of m_t between two vectors of one shape (T, C, *S), -1 to 1.

    Returns:
        One value a step, float64, shape (T,); NaN where one of the two keeps nothing.

    Raises:
        IncompatibleError: The shapes differ.
    """
    a, b = (_steps(vector.dense()) for vector in _alike(first, second))
    squares = [np.einsum("ti,ti->t", one, one, dtype=np.float64) for one in (a, b)]  # float32's overflow
    return _ratio(np.einsum("ti,ti->t", a, b, dtype=np.float64), np.sqrt(squares[0]) * np.sqrt(squares[1]))


def overlap(first: GuidanceVector, second: GuidanceVector) -> Array:
    """The Jaccard index of two supports, |A ∩ B| / |A ∪ B|, 0 to 1; result and errors as of `cosine`."""
    a, b = (_steps(vector.support) for vector in _alike(first, second))
    return _ratio((a & b).sum(axis=1), (a | b).sum(axis=1))


def _alike(first: GuidanceVector, second: GuidanceVector) -> tuple[GuidanceVector, GuidanceVector]:
    if first.shape != second.shape:
        raise IncompatibleError(
            f"Vectors are compared entry by entry, so their shapes must agree; met {first.shape} and {second.shape}:"
            " record both with one size and number of steps."
        )
    return first, second


def _steps(array: Array) -> Array:
    flat: Array = array.reshape(len(array), -1)
    return flat


def _ratio(part: Array, whole: Array) -> Array:
    ratio: Array = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return ratio
