"""A vector and its noise as dense arrays, for formats that other programs read.

The dtype is float16 or float32; bfloat16, which numpy and zarr lack, is widened to float32, which is exact.
"""

from sega_store.records.dtypes import Array, widen
from sega_store.records.noise import InitialNoise
from sega_store.records.vector import GuidanceVector

STORED_AS = {"float32": "float32", "float16": "float16", "bfloat16": "float32"}


def dense_of(vector: GuidanceVector) -> Array:
    """m_t of all steps, shape (T, C, *S), in the dtype that `STORED_AS` gives."""
    return vector.dense().astype(STORED_AS[vector.dtype])


def dense_noise(noise: InitialNoise) -> Array:
    """x_T, shape (C, *S), in the dtype that `STORED_AS` gives."""
    return widen(noise.array, noise.dtype).astype(STORED_AS[noise.dtype])
