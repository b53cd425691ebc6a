"""The dtypes that latents come in, and how numpy holds them.

numpy has no bfloat16: its bits are held as uint16. A bfloat16 is the upper half of a float32, so widening is exact;
narrowing rounds to nearest, ties to even, as torch does.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sega_store.errors import InvalidInputError
from sega_store.records import rules

Array: TypeAlias = NDArray[Any]
HELD_AS: dict[str, np.dtype[Any]] = {
    "float32": np.dtype("float32"),
    "float16": np.dtype("float16"),
    "bfloat16": np.dtype("uint16"),
}


def check_dtype(what: str, array: Array, dtype: str) -> None:
    """Refuses what is no array, a dtype that isn't one of the three, or an array that doesn't hold it."""
    rules.instance(what, array, np.ndarray, "convert it first")
    if dtype not in HELD_AS:
        raise InvalidInputError(f"{what}: dtype must be one of {', '.join(HELD_AS)}, met {dtype!r}.")
    if array.dtype != HELD_AS[dtype]:
        raise InvalidInputError(f"{what}: {dtype} is held as {HELD_AS[dtype]}, met an array of {array.dtype}.")


def widen(values: Array, dtype: str) -> Array:
    """The values as float32, exactly."""
    if dtype == "bfloat16":
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32, copy=False)


def narrow(values: Array, dtype: str) -> Array:
    """float32 values rounded to the dtype, as numpy holds it; what is too large for it becomes infinite."""
    if dtype == "bfloat16":
        bits = values.view(np.uint32).astype(np.uint64)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(HELD_AS[dtype], copy=False)


def portable(values: Array, dtype: str) -> Array:
    """float32 values in the dtype, but for bfloat16, which other programs lack: those stay as they are."""
    return values if dtype == "bfloat16" else narrow(values, dtype)


def little_endian(array: Array) -> memoryview:
    """The array's elements in C order, as little-endian bytes; a view of them, if that is how they are held."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data


def read_only(array: Array) -> Array:
    """A contiguous copy that can't be written to; no copy of an array that is one."""
    if array.flags.owndata and array.flags.c_contiguous and not array.flags.writeable:
        return array
    array = np.array(array, order="C")
    array.setflags(write=False)
    return array
