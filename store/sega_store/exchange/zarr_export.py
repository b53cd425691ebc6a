"""Vectors as one plain Zarr v3 hierarchy, for analysis with zarr-python, xarray or tensorstore.

    zarr.open_group("vectors.zarr")["vectors"][id]["dense"][...]

    vectors/<id>           a group; attributes: `sega_vectors`, the header of its file, and `annotation`
        dense              (step, channel, *space): m_t, unscaled and before momentum
        timesteps, sigmas  (step): float64
        preview            uint8: the two pictures, if any
    noise/<sha256>         (channel, *space); attributes: `sega_vectors`, the header of its file

`dense` and noises are float16 or float32; bfloat16 is widened. Every array is one chunk, with a checksum.

It is written by zarr-python. Reading trusts nothing: the metadata must mean what the headers promise, and chunks are
decoded by the reader of vectors' files, which knows what a missing chunk or a false length is.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sega_store.errors import InvalidInputError, VectorFileError
from sega_store.exchange.dense import STORED_AS, dense_noise, dense_of, noise_from, vector_from
from sega_store.exchange.parcel import Parcel
from sega_store.files.codec import LEVEL, ArrayFormat, check_expansion, chunk_key
from sega_store.files.header import ROOT_KEY, NoiseHeader, VectorHeader, parse_header
from sega_store.files.regular_file import read_regular
from sega_store.files.vector_file import MAX_BYTES
from sega_store.places import layout
from sega_store.records.annotation import Annotation, parse_annotation
from sega_store.records.dtypes import Array
from sega_store.records.json_record import JSON, MAX_JSON_BYTES, canonical_json, parse_json
from sega_store.records.noise import InitialNoise
from sega_store.records.preview import Preview
from sega_store.records.vector import GuidanceVector

_OPTIONAL = {"attributes", "dimension_names", "storage_transformers"}  # what metadata may have besides what is due
_SLACK = 1 << 16  # bytes that a chunk may have more than its elements


def write(path: Path, parcels: Iterable[Parcel]) -> None:
    """Writes a hierarchy.

    Raises:
        InvalidInputError: A vector's facts are too long for a reader, or it is too large for one chunk, or has too
            few entries for its size.
    """
    import zarr

    root = zarr.open_group(path, mode="w-", zarr_format=3)
    vectors, noises = root.create_group(layout.VECTORS), root.create_group(layout.NOISE)
    for parcel in parcels:
        vector, noise = parcel.vector, parcel.noise
        group = vectors.create_group(vector.id)
        said = parse_json(parcel.annotation.to_bytes())
        group.attrs.put({"sega_vectors": VectorHeader.of(vector).to_json(), "annotation": said})
        if (path / layout.VECTORS / vector.id / ROOT_KEY).stat().st_size > MAX_JSON_BYTES:
            raise InvalidInputError(f"The facts of the vector {vector.id[:8]} are too long: export a zip.")
        _create(group, "dense", dense_of(vector), ("step", "channel", *_space(vector.shape[2:])))
        _create(group, "timesteps", vector.timesteps, ("step",))
        _create(group, "sigmas", vector.sigmas, ("step",))
        if vector.preview is not None:
            pictures = np.frombuffer(vector.preview.before + vector.preview.after, np.uint8)
            _create(group, "preview", pictures, ("byte",), compress=False)
        if noise is not None and noise.sha256 not in noises:
            facts = {"sega_vectors": NoiseHeader.of(noise).to_json()}
            _create(noises, noise.sha256, dense_noise(noise), ("channel", *_space(noise.shape[1:])), facts)


def read(path: Path) -> Iterator[Parcel]:
    """The vectors of a hierarchy that `write` made, checked, one after the other.

    Raises:
        VectorFileError: Anything is wrong with one of them.
    """
    noise: InitialNoise | None = None
    for identity in sorted(layout.ids_in(path / layout.VECTORS)):
        folder = path / layout.VECTORS / identity
        try:
            vector, annotation = _read_vector(folder)
            sha256 = vector.provenance.noise.sha256
            folder = path / layout.NOISE / sha256
            if not folder.exists():
                noise = None
            elif noise is None or noise.sha256 != sha256:
                noise = _read_noise(folder)
        except InvalidInputError as error:
            raise VectorFileError(str(folder), str(error)) from None
        yield Parcel(vector, noise, annotation)


def _read_vector(folder: Path) -> tuple[GuidanceVector, Annotation]:
    attributes = _attributes(_metadata(folder))
    header = parse_header(attributes.get("sega_vectors"), VectorHeader)
    if header.id != folder.name:
        raise InvalidInputError(f"its name isn't its id, {header.id}")
    steps = header.shape[:1]
    dense = _decode(folder / "dense", header.shape, STORED_AS[header.dtype])
    timesteps, sigmas = (_decode(folder / name, steps, "float64") for name in ("timesteps", "sigmas"))
    preview = None
    if (lengths := header.preview) is not None:
        pictures = _decode(folder / "preview", (lengths.before + lengths.after,), "uint8", compressed=False).tobytes()
        preview = Preview(pictures[: lengths.before], pictures[lengths.before :], lengths.media_type)
    vector = vector_from(header, dense, timesteps, sigmas, preview)
    return vector, parse_annotation(canonical_json(attributes.get("annotation")))


def _read_noise(folder: Path) -> InitialNoise:
    header = parse_header(_attributes(_metadata(folder)).get("sega_vectors"), NoiseHeader)
    if header.sha256 != folder.name:
        raise InvalidInputError(f"its name isn't its hash, {header.sha256}")
    return noise_from(header, _decode(folder, header.shape, STORED_AS[header.dtype]))


def _create(
    group: Any, name: str, array: Array, dimensions: tuple[str, ...], facts: JSON = None, compress: bool = True
) -> None:
    from zarr.codecs import BloscCodec, Crc32cCodec

    if array.nbytes > MAX_BYTES - (1 << 20):
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
    chunk = Path(group.store.root, group.path, chunk_key(name, array.shape))
    check_expansion(array.nbytes, chunk.stat().st_size)


def _decode(folder: Path, shape: tuple[int, ...], data_type: Any, compressed: bool = True) -> Array:
    """An array, none of whose files is trusted."""
    due = ArrayFormat(folder.name, shape, data_type, "shuffle" if compressed else None)
    if due.nbytes > MAX_BYTES:
        raise InvalidInputError(f"{due.name} takes {due.nbytes} bytes, more than the limit of {MAX_BYTES}")
    metadata = _metadata(folder)
    expected = parse_json(due.metadata())
    others = metadata.keys() - expected.keys()
    if {key: metadata.get(key) for key in expected} != expected or others - _OPTIONAL:
        raise InvalidInputError(f"the metadata of {due.name} aren't those of {data_type} of shape {shape} in one chunk")
    if metadata.get("storage_transformers"):
        raise InvalidInputError(f"{due.name} has storage transformers")
    chunk = read_regular(folder.parent / due.chunk_key, due.nbytes + _SLACK)[0]
    check_expansion(due.nbytes, len(chunk))
    return due.decode({due.metadata_key: memoryview(due.metadata()), due.chunk_key: memoryview(chunk)})


def _metadata(folder: Path) -> dict[str, JSON]:
    metadata = parse_json(read_regular(folder / ROOT_KEY, MAX_JSON_BYTES)[0])
    if not isinstance(metadata, dict):
        raise InvalidInputError(f"its {ROOT_KEY} isn't an object")
    return metadata


def _attributes(metadata: dict[str, JSON]) -> dict[str, JSON]:
    attributes = metadata.get("attributes")
    return attributes if isinstance(attributes, dict) else {}


def _space(shape: tuple[int, ...]) -> tuple[str, ...]:
    return ("height", "width") if len(shape) == 2 else tuple(f"space_{axis}" for axis in range(len(shape)))
