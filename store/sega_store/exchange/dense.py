"""A vector and its noise as dense arrays under their headers, for formats that other programs read.

The dtype is float16 or float32; bfloat16, which numpy and zarr lack, is widened to float32. Both ways are exact.
"""

from dataclasses import replace

import numpy as np

from sega_store.errors import InvalidInputError
from sega_store.files.header import NoiseHeader, VectorHeader
from sega_store.records.dtypes import Array, narrow, widen
from sega_store.records.noise import InitialNoise
from sega_store.records.preview import Preview
from sega_store.records.vector import GuidanceVector

STORED_AS = {"float32": "float32", "float16": "float16", "bfloat16": "float32"}


def dense_of(vector: GuidanceVector) -> Array:
    """m_t of all steps, shape (T, C, *S), in the dtype that `STORED_AS` gives."""
    return vector.dense().astype(STORED_AS[vector.dtype])


def dense_noise(noise: InitialNoise) -> Array:
    """x_T, shape (C, *S), in the dtype that `STORED_AS` gives."""
    return widen(noise.array, noise.dtype).astype(STORED_AS[noise.dtype])


def vector_from(
    header: VectorHeader, dense: Array, timesteps: Array, sigmas: Array, preview: Preview | None
) -> GuidanceVector:
    """The vector that `dense_of` was made from.

    Raises:
        InvalidInputError: The arrays aren't those that the header promises.
    """
    held = _narrowed(dense, header.dtype)
    vector = GuidanceVector.from_dense(
        header.concept, held, timesteps, sigmas, header.provenance, header.dtype, preview
    )
    if vector.content != header.content:
        raise InvalidInputError(f"its content hashes to {vector.content}, expected {header.content}")
    if replace(VectorHeader.of(vector), format=header.format) != header:
        raise InvalidInputError("its header isn't that of its arrays")
    return vector


def noise_from(header: NoiseHeader, dense: Array) -> InitialNoise:
    """The noise that `dense_noise` was made from; as `vector_from`."""
    noise = InitialNoise(_narrowed(dense, header.dtype), header.seed, header.device, header.dtype)
    if NoiseHeader.of(noise) != header:
        raise InvalidInputError(f"its content hashes to {noise.sha256}, expected {header.sha256}")
    return noise


def _narrowed(dense: Array, dtype: str) -> Array:
    wide = dense.astype(np.float32)
    held = narrow(wide, dtype)
    if not np.isfinite(wide).all() or not np.array_equal(widen(held, dtype), wide):
        raise InvalidInputError(f"some of its numbers aren't finite, or no {dtype}")
    return held
