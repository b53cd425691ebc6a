"""Vectors and initial noises as files: one immutable `.zarr.zip` each, a valid Zarr v3 group.

`docs/format.md` describes the format to the byte. Reading trusts nothing: a file may come from a stranger.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, TypeAlias, cast

import numpy as np

from sega_store.errors import InvalidInputError
from sega_store.files.codec import ArrayFormat, check_arrays, check_expansion
from sega_store.files.header import ROOT_KEY, Header, NoiseHeader, VectorHeader, parse_root, root_json, root_of
from sega_store.files.regular_file import CheckSize, file_errors, read_regular
from sega_store.files.zip_container import pack, unpack
from sega_store.records import rules
from sega_store.records.dtypes import HELD_AS, Array
from sega_store.records.json_record import MAX_JSON_BYTES, Record
from sega_store.records.noise import InitialNoise
from sega_store.records.preview import Preview
from sega_store.records.support import Support
from sega_store.records.vector import GuidanceVector

Source: TypeAlias = bytes | str | os.PathLike[str]
MAX_BYTES = 1 << 30
"""The budget: the most memory that the arrays of a file may take, as its header says, unless a reader allows more."""


def write_vector(vector: GuidanceVector) -> bytes:
    """The file of a vector; equal vectors with equal facts give equal bytes.

    Raises:
        InvalidInputError: The vector is too large for the format, or has too few entries for its size.
    """
    rules.instance("vector", vector, GuidanceVector, "take it from a recorder or a library")
    header = VectorHeader.of(vector)
    arrays = [vector.support, vector.values, vector.timesteps, vector.sigmas]
    if vector.preview is not None:
        arrays.append(np.frombuffer(vector.preview.before + vector.preview.after, np.uint8))
    return _write(header, vector_arrays(header), arrays)


def write_noise(noise: InitialNoise) -> bytes:
    """The file of an initial noise."""
    rules.instance("noise", noise, InitialNoise, "take it from a recorder or a library")
    header = NoiseHeader.of(noise)
    return _write(header, _noise_arrays(header), [noise.array])


def read_vector(source: Source, max_bytes: int = MAX_BYTES) -> GuidanceVector:
    """Reads and checks a vector's file, every byte of it.

    Args:
        source: The file's bytes, or its path.
        max_bytes: The most memory that its arrays may take; see `docs/format.md` for what reading them needs.

    Raises:
        VectorFileError: The file is wrong in any way.
    """
    with file_errors(_name(source)):
        header, (bits, values, timesteps, sigmas, *pictures) = _read(source, VectorHeader, vector_arrays, max_bytes)
        support: Any = Support(header.shape, bits)
        if support.count != header.nnz:
            raise InvalidInputError(f"its support has {support.count} entries, expected {header.nnz}")
        preview = None
        if header.preview is not None:
            data = pictures[0].tobytes()
            split = header.preview.before
            preview = Preview(data[:split], data[split:], header.preview.media_type)
        vector = GuidanceVector(
            header.concept, support, values, header.dtype, timesteps, sigmas, header.provenance, preview
        )
        if vector.nnz != header.nnz:
            raise InvalidInputError("some of its values are zero")
        if vector.content != header.content:
            raise InvalidInputError(f"its content hashes to {vector.content}, expected {header.content}")
        return vector


def read_noise(source: Source, max_bytes: int = MAX_BYTES) -> InitialNoise:
    """Reads and checks an initial noise's file; as `read_vector`."""
    with file_errors(_name(source)):
        header, (array,) = _read(source, NoiseHeader, _noise_arrays, max_bytes)
        noise = InitialNoise(array, header.seed, header.device, header.dtype)
        if noise.sha256 != header.sha256:
            raise InvalidInputError(f"its content hashes to {noise.sha256}, expected {header.sha256}")
        return noise


def vector_arrays(header: VectorHeader) -> list[ArrayFormat]:
    """How the arrays of a vector's file are kept, in their order."""
    steps, held = header.shape[:1], _held_as(header.dtype)
    support = ArrayFormat("support", header.shape, "bool", "bitshuffle", first_axis_last=True)
    values = ArrayFormat("values", (header.nnz,), held)
    if header.format > 1:
        support = support.bitshuffled(level=8)
        # values of two bytes would grow by up to 8% with their bits shuffled, and gain 0.1% from level 9
        values = values.bitshuffled(level=9) if held == "float32" else replace(values, level=8)
    arrays = [support, values, ArrayFormat("timesteps", steps, "float64"), ArrayFormat("sigmas", steps, "float64")]
    if header.preview is not None:  # pictures are compressed already
        arrays.append(ArrayFormat("preview", (header.preview.before + header.preview.after,), "uint8", shuffle=None))
    return arrays


def _noise_arrays(header: NoiseHeader) -> list[ArrayFormat]:
    return [ArrayFormat("noise", header.shape, _held_as(header.dtype))]


def _write(header: Record, formats: Sequence[ArrayFormat], arrays: Sequence[Array]) -> bytes:
    needed = _budgeted(formats, MAX_BYTES)
    contents = {ROOT_KEY: root_json(header)}
    for array_format, array in zip(formats, arrays, strict=True):
        contents |= array_format.encode(array)
    data = pack(contents)
    check_expansion(needed, len(data))
    check_arrays(formats, contents)
    return data


def _read(
    source: Source, kind: type[Header], arrays_of: Callable[[Header], list[ArrayFormat]], max_bytes: int
) -> tuple[Header, list[Array]]:
    check_size = partial(_check_size, kind, arrays_of, max_bytes)
    data = source if isinstance(source, bytes) else read_regular(source, check_size)
    formats: list[ArrayFormat]
    header, formats = _promised(data, len(data), kind, arrays_of, max_bytes)
    contents = unpack(data)
    names = [ROOT_KEY, *(key for one in formats for key in one.keys)]
    if list(contents) != names:
        raise InvalidInputError(f"it has the entries {list(contents)}, expected {names}")
    check_arrays(formats, contents)
    return header, [one.decode(contents) for one in formats]


def _check_size(
    kind: type[Header], arrays_of: Callable[[Header], list[ArrayFormat]], max_bytes: int, head: bytes, size: int
) -> None:
    """Refuses a file whose size isn't what the header promises; one that is no longer than `head` is let through."""
    if size > len(head):
        _promised(head, size, kind, arrays_of, max_bytes)


check_vector_size: CheckSize = partial(_check_size, VectorHeader, vector_arrays, MAX_BYTES)
check_noise_size: CheckSize = partial(_check_size, NoiseHeader, _noise_arrays, MAX_BYTES)


def _promised(
    head: bytes, size: int, kind: type[Header], arrays_of: Callable[[Header], list[ArrayFormat]], max_bytes: int
) -> tuple[Header, list[ArrayFormat]]:
    """The header in a file's beginning, and its arrays, if the file's size can be right for them."""
    header = parse_root(root_of(head), kind)
    formats: list[ArrayFormat] = arrays_of(header)
    needed = _budgeted(formats, max_bytes)
    if size > needed + 2 * MAX_JSON_BYTES:
        raise InvalidInputError(f"it has {size} bytes, more than its arrays of {needed} bytes can fill")
    check_expansion(needed, size)
    return header, formats


def _budgeted(formats: Iterable[ArrayFormat], max_bytes: int) -> int:
    """What arrays take together, if the budget has room for it."""
    needed = sum(one.nbytes for one in formats)
    if needed > max_bytes:
        raise InvalidInputError(
            f"its arrays take {needed:,} bytes of memory, more than the budget of {max_bytes:,}."
            " Record fewer steps, a smaller picture, or with a higher keep_threshold; a file that is trusted is read"
            f" by read_vector or read_noise with max_bytes={needed}"
        )
    return needed


def _held_as(dtype: str) -> Literal["float32", "float16", "uint16"]:
    return cast(Literal["float32", "float16", "uint16"], str(HELD_AS[dtype]))


def _name(source: Source) -> str:
    return f"<{len(source)} bytes>" if isinstance(source, bytes) else os.fspath(source)
