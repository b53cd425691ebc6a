"""A vector as safetensors, dense, with the list that diffusers' `sem_guidance` takes.

    tensors = safetensors.torch.load_file("glasses.safetensors")
    SemanticStableDiffusionPipeline(...)(prompt, sem_guidance=list(tensors["sem_guidance"]))

One file holds one vector; several vectors are a folder of such files. The tensors:

    sem_guidance   float32, (T, 1, C, *S): γ with the parameters of the recording, see `sem_guidance.py`
    dense          (T, C, *S): m_t, unscaled and before momentum, from which the vector can be made again
    timesteps, sigmas   float64, (T,)
    noise          (C, *S): the initial noise, if the library has it

`dense` and `noise` are float16 or float32; bfloat16 is widened. The metadata have one entry, `sega_vectors`: JSON with
the headers of `vector` and `noise`, and the `annotation`. Previews aren't carried: nothing would check them.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sega_store.errors import InvalidInputError, VectorFileError
from sega_store.exchange.dense import STORED_AS, dense_noise, dense_of, noise_from, vector_from
from sega_store.exchange.parcel import Parcel
from sega_store.exchange.sem_guidance import sem_guidance
from sega_store.files.header import NoiseHeader, VectorHeader, parse_header
from sega_store.files.regular_file import read_regular
from sega_store.files.vector_file import MAX_BYTES
from sega_store.records.annotation import parse_annotation
from sega_store.records.dtypes import Array
from sega_store.records.json_record import MAX_JSON_BYTES, canonical_json, parse_json

SUFFIX = ".safetensors"
_KEY = "sega_vectors"
_NUMPY = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
_LENGTH_BYTES = 8  # of the header's length, with which a file begins


def write(path: Path, parcels: Iterable[Parcel]) -> None:
    """Writes one vector as a file, if the path ends in `.safetensors`, or any number as a folder of files.

    Raises:
        InvalidInputError: Several vectors for one file, or one whose facts are too long.
    """
    if path.suffix != SUFFIX:
        path.mkdir()
        for parcel in parcels:
            _write(path / f"{parcel.vector.id}{SUFFIX}", parcel)
        return
    first, *more = parcels
    if more:
        raise InvalidInputError(
            f"A {SUFFIX} file holds one vector, met {1 + len(more)}. Name one, or a folder: a path without {SUFFIX}."
        )
    _write(path, first)


def read(path: Path) -> Iterator[Parcel]:
    """The vectors of a file, or of the files in a folder, checked, one after the other.

    Raises:
        VectorFileError: Anything is wrong with one of them.
    """
    for file in sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]:
        try:
            yield _read(file)
        except InvalidInputError as error:
            raise VectorFileError(str(file), str(error)) from None


def _write(path: Path, parcel: Parcel) -> None:
    from safetensors.numpy import save

    vector, noise = parcel.vector.with_preview(None), parcel.noise
    tensors = {
        "sem_guidance": sem_guidance(vector),
        "dense": dense_of(vector),
        "timesteps": vector.timesteps,
        "sigmas": vector.sigmas,
    }
    facts = {
        "vector": VectorHeader.of(vector).to_json(),
        "noise": None if noise is None else NoiseHeader.of(noise).to_json(),
        "annotation": parse_json(parcel.annotation.to_bytes()),
    }
    if noise is not None:
        tensors["noise"] = dense_noise(noise)
    # one entry, for safetensors writes several in any order
    metadata = {_KEY: canonical_json(facts).decode()}
    data = save({name: np.ascontiguousarray(array) for name, array in tensors.items()}, metadata)
    if _header_bytes(data) > MAX_JSON_BYTES:
        raise InvalidInputError("The facts of a vector are too long for safetensors: export a zip.")
    path.write_bytes(data)


def _read(path: Path) -> Parcel:
    head, size = read_regular(path, MAX_BYTES, _LENGTH_BYTES + MAX_JSON_BYTES)
    start = _LENGTH_BYTES + _header_bytes(head)
    if start > len(head):
        raise InvalidInputError(f"its header has {_header_bytes(head)} bytes, more than there may be")
    described = parse_json(head[_LENGTH_BYTES:start])
    try:
        facts = parse_json(described["__metadata__"][_KEY].encode())
        vector_facts, noise_facts, annotation = (facts[key] for key in ("vector", "noise", "annotation"))
    except (TypeError, KeyError, AttributeError, UnicodeEncodeError):
        raise InvalidInputError("it isn't an export of a vector: its metadata don't describe one") from None
    header = parse_header(vector_facts, VectorHeader)
    initial = None if noise_facts is None else parse_header(noise_facts, NoiseHeader)
    steps, *sample = header.shape
    due: dict[str, tuple[str, tuple[int, ...]]] = {
        "sem_guidance": ("float32", (steps, 1, *sample)),
        "dense": (STORED_AS[header.dtype], header.shape),
        "timesteps": ("float64", (steps,)),
        "sigmas": ("float64", (steps,)),
    }
    if initial is not None:
        due["noise"] = (STORED_AS[initial.dtype], initial.shape)
    needed = start + sum(np.dtype(dtype).itemsize * math.prod(shape) for dtype, shape in due.values())
    if size != needed:
        raise InvalidInputError(f"it has {size} bytes, its tensors and its header take {needed}")
    data = read_regular(path, size)[0]
    arrays = _arrays(data, due)
    vector = vector_from(header, arrays["dense"], arrays["timesteps"], arrays["sigmas"], None)
    if not np.allclose(arrays["sem_guidance"], sem_guidance(vector), rtol=1e-4, atol=1e-6, equal_nan=True):
        raise InvalidInputError("its sem_guidance isn't the one of its vector")
    noise = None if initial is None else noise_from(initial, arrays["noise"])
    if noise is not None and noise.sha256 != vector.provenance.noise.sha256:
        raise InvalidInputError("its noise isn't the one that its vector was recorded from")
    return Parcel(vector, noise, parse_annotation(canonical_json(annotation)))


def _arrays(data: bytes, due: Mapping[str, tuple[str, tuple[int, ...]]]) -> dict[str, Array]:
    """The tensors of a file, which must be exactly those with the given dtypes and shapes."""
    import safetensors

    deserialize: Callable[[bytes], list[tuple[str, dict[str, Any]]]] = safetensors.deserialize
    try:
        found = deserialize(data)
    except safetensors.SafetensorError as error:
        raise InvalidInputError(f"it can't be read: {error}") from None
    met = {name: (np.dtype(_NUMPY.get(one["dtype"], "V1")).name, tuple(one["shape"])) for name, one in found}
    if met != due:
        raise InvalidInputError(f"it has the tensors {met}, expected {dict(due)}")
    return {name: np.frombuffer(one["data"], _NUMPY[one["dtype"]]).reshape(one["shape"]) for name, one in found}


def _header_bytes(data: bytes) -> int:
    return int.from_bytes(data[:_LENGTH_BYTES], "little")
