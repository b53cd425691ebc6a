"""Vectors as one plain Zarr v3 hierarchy, for analysis with zarr-python, xarray or tensorstore.

    zarr.open_group("vectors.zarr")["vectors"][id]["dense"][...]

    vectors/<id>           a group; attributes: `sega_vectors`, the header of its file, and `annotation`
        dense              (step, channel, *space): m_t, unscaled and before momentum
        timesteps, sigmas  (step): float64
        preview            uint8: the two pictures, if any
    noise/<sha256>         (channel, *space); attributes: `sega_vectors`, the header of its file

`dense` and noises are float16 or float32; bfloat16 is widened. Every array is one chunk, with a checksum.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sega_store.errors import InvalidInputError
from sega_store.exchange.parcel import Parcel
from sega_store.files.codec import LEVEL, MAX_BLOSC_BYTES
from sega_store.files.header import NoiseHeader, VectorHeader
from sega_store.places import layout
from sega_store.records.dtypes import Array, portable, widen
from sega_store.records.json_record import JSON, parse_json


def write(path: Path, parcels: Iterable[Parcel]) -> None:
    """Writes a hierarchy.

    Raises:
        InvalidInputError: A vector is too large for one chunk.
    """
    import zarr

    root = zarr.open_group(path, mode="w-", zarr_format=3)
    vectors, noises = root.create_group(layout.VECTORS), root.create_group(layout.NOISE)
    for parcel in parcels:
        vector, noise = parcel.vector, parcel.noise
        group = vectors.create_group(vector.id)
        said = parse_json(parcel.annotation.to_bytes())
        group.attrs.put({"sega_vectors": VectorHeader.of(vector).to_json(), "annotation": said})
        _create(group, "dense", portable(vector.dense(), vector.dtype), ("step", "channel", *_space(vector.shape[2:])))
        _create(group, "timesteps", vector.timesteps, ("step",))
        _create(group, "sigmas", vector.sigmas, ("step",))
        if vector.preview is not None:
            pictures = np.frombuffer(vector.preview.before + vector.preview.after, np.uint8)
            _create(group, "preview", pictures, ("byte",), compress=False)
        if noise is not None and noise.sha256 not in noises:
            facts = {"sega_vectors": NoiseHeader.of(noise).to_json()}
            dense = portable(widen(noise.array, noise.dtype), noise.dtype)
            _create(noises, noise.sha256, dense, ("channel", *_space(noise.shape[1:])), facts)


def _create(
    group: Any, name: str, array: Array, dimensions: tuple[str, ...], facts: JSON = None, compress: bool = True
) -> None:
    from zarr.codecs import BloscCodec, Crc32cCodec

    if array.nbytes > MAX_BLOSC_BYTES:
        raise InvalidInputError(f"The dense array of a vector has {array.nbytes} bytes, one chunk less than 2 GiB.")
    blosc = BloscCodec(cname="zstd", clevel=LEVEL, shuffle="shuffle", typesize=array.itemsize, blocksize=0)
    group.create_array(
        name,
        shape=array.shape,
        chunks=array.shape,
        dtype=array.dtype,
        compressors=[blosc, Crc32cCodec()] if compress else [Crc32cCodec()],
        dimension_names=dimensions,
        attributes=facts,
        config={"write_empty_chunks": True},  # a missing chunk is indistinguishable from zeros
    )[...] = array


def _space(shape: tuple[int, ...]) -> tuple[str, ...]:
    return ("height", "width") if len(shape) == 2 else tuple(f"space_{axis}" for axis in range(len(shape)))
