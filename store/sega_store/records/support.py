"""The support of a guidance vector: where m_t isn't zero, as bits, since booleans would take eight times as much.

Its order is that of the file, (C, *S, T): channel by channel, place by place, with the step running fastest.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sega_store.errors import InvalidInputError
from sega_store.records import rules
from sega_store.records.dtypes import Array

BLOCK = 1 << 20  # entries of a block, which bounds what work on a vector of any size takes


@dataclass(frozen=True, eq=False)
class Support:
    """Booleans of the shape (T, C, *S).

    Attributes:
        shape: (T, C, *S).
        bits: uint8, shape (⌈T·C·∏S / 8⌉,), read-only: eight entries each in the order (C, *S, T), the first in the
            highest bit; the last is filled up with zeros.
    """

    shape: tuple[int, ...]
    bits: Array

    def __post_init__(self) -> None:
        self.bits.setflags(write=False)

    @classmethod
    def of(cls, array: Array) -> "Support":
        """The support of a bool array of shape (T, C, *S).

        Raises:
            InvalidInputError: It is another one.
        """
        rules.instance("support", array, np.ndarray, "convert it first")
        if array.dtype != np.bool_ or array.ndim < 3 or 0 in array.shape:
            raise InvalidInputError(
                f"support must be bool of shape (T, C, *S), none of them 0, met {array.dtype} of {array.shape}."
            )
        return cls(array.shape, np.packbits(steps_last(array)))

    def keeping(self, kept: Array) -> "Support":
        """It without some entries: `kept` is bool and has one element for each true entry, in their order."""
        entries = np.unpackbits(self.bits, count=self.size).view(np.bool_)
        entries[entries] = kept
        return Support(self.shape, np.packbits(entries))

    def array(self) -> Array:
        """It as bool, shape (T, C, *S), read-only: a view in which the step runs fastest."""
        array = np.unpackbits(self.bits, count=self.size).view(np.bool_)
        array.setflags(write=False)
        view: Array = np.moveaxis(array.reshape(*self.shape[1:], self.shape[0]), -1, 0)
        return view

    def blocks(self) -> Iterator[Array]:
        """It in parts, in its order: each bool, shape (P, T), of the next P of the C·∏S places."""
        steps = self.shape[0]
        length = max(1, BLOCK // (8 * steps)) * steps  # in bytes: eight places fill whole ones
        for start in range(0, len(self.bits), length):
            count = min(8 * length, self.size - 8 * start)
            yield np.unpackbits(self.bits[start : start + length], count=count).view(np.bool_).reshape(-1, steps)

    def places(self) -> Array:
        """Where it is true: flat places in its order, (C, *S, T), ascending, int64, shape (n,)."""
        places, found, start = np.empty(self.count, np.int64), 0, 0
        for block in self.blocks():
            at = np.flatnonzero(block)
            places[found : found + len(at)] = at + start
            found, start = found + len(at), start + block.size
        return places

    @property
    def size(self) -> int:
        """The number of its booleans."""
        return math.prod(self.shape)

    @property
    def count(self) -> int:
        """The number of true ones."""
        return int(np.bitwise_count(self.bits).sum(dtype=np.int64))


def spread(kept: Array, values: Array) -> Array:
    """A block of a vector as float32, zero where it has no entry; see `GuidanceVector.blocks`."""
    dense = np.zeros(kept.shape, np.float32)
    dense[kept] = values
    return dense


def steps_last(array: Array) -> Array:
    """A (T, C, *S) array as a view in the order of the file, (C, *S, T)."""
    view: Array = np.moveaxis(array, 0, -1)
    return view
