"""Initial noises compared with each other: the nearest of several to one, and what lies between two."""

from collections.abc import Sequence

import numpy as np

from sega_store.errors import IncompatibleError, InvalidInputError
from sega_store.records.dtypes import Array, narrow, widen
from sega_store.records.noise import InitialNoise

_ONE_DIRECTION = 1e-6  # sin θ, below which there is no one way round from a noise to another


def nearest(noise: InitialNoise, noises: Sequence[InitialNoise], block: int = 1) -> int:
    """The index of the noise with the greatest cosine to a given one; the first of equals.

    Args:
        noise: Of shape (C, *S).
        noises: Of the same shape.
        block: Compare the means over blocks of so many entries along each spatial dimension: a low-pass.

    Raises:
        InvalidInputError: There are no noises, or blocks don't fill the shape.
        IncompatibleError: The shapes differ.
    """
    if not noises:
        raise InvalidInputError("The nearest of some noises is asked for, met none. Give one or more.")
    if block < 1 or any(side % block for side in noise.shape[1:]):
        raise InvalidInputError(f"block must divide the sides of {noise.shape}, met {block}: 1 compares all entries.")
    one = _low_pass(noise, block)
    return int(np.argmax([_cosine(one, _low_pass(_alike(noise, other), block)) for other in noises]))


def slerp(a: InitialNoise, b: InitialNoise, share: float) -> InitialNoise:
    """A noise on the way from one to another, by spherical linear interpolation.

        (sin((1 - share) θ) a + sin(share θ) b) / sin θ,  θ the angle between a and b

    Independent noises are all but orthogonal, so that the weights' squares add up to 1: what lies between two normally
    distributed noises is normally distributed too, unlike a linear mixture.

    Args:
        a: Where to start, share 0.
        b: Where to go, share 1; of the same shape.
        share: In [0, 1].

    Returns:
        A noise of `a`'s dtype and device, without a seed.

    Raises:
        InvalidInputError: The share is out of range, or the noises are opposites or zero.
        IncompatibleError: The shapes differ.
    """
    if not 0 <= share <= 1:
        raise InvalidInputError(f"share must be in [0, 1], met {share!r}: it is how far to go from one to the other.")
    start, end = _values(a), _values(_alike(a, b))
    cosine = _cosine(start, end)
    θ = np.arccos(cosine)
    if np.sin(θ) >= _ONE_DIRECTION:
        mixed = (np.sin((1 - share) * θ) * start + np.sin(share * θ) * end) / np.sin(θ)
    elif cosine > 0:
        mixed = (1 - share) * start + share * end
    else:
        raise InvalidInputError("There is no one way between a noise and its opposite, met two such. Take others.")
    return InitialNoise(narrow(mixed.astype(np.float32), a.dtype), None, a.device, a.dtype)


def _values(noise: InitialNoise) -> Array:
    return widen(noise.array, noise.dtype).astype(np.float64)


def _low_pass(noise: InitialNoise, block: int) -> Array:
    values = _values(noise)
    for axis in range(1, values.ndim):
        shape = (*values.shape[:axis], values.shape[axis] // block, block, *values.shape[axis + 1 :])
        values = values.reshape(shape).mean(axis=axis + 1)
    return values


def _cosine(one: Array, other: Array) -> float:
    one, other = one.astype(np.float64), other.astype(np.float64)  # the squares of float32's largest overflow
    norm = np.linalg.norm(one) * np.linalg.norm(other)
    if norm == 0:
        raise InvalidInputError("A noise of zeros has no direction, met one. Leave it out.")
    return float(np.clip(np.vdot(one, other) / norm, -1, 1))


def _alike(first: InitialNoise, other: InitialNoise) -> InitialNoise:
    if first.shape != other.shape:
        raise IncompatibleError(
            f"Noises are compared and mixed entry by entry, so their shapes must agree; met {first.shape} and"
            f" {other.shape}: draw both for one size."
        )
    return other
