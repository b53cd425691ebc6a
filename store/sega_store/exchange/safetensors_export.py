"""A vector as safetensors, dense, with the list that diffusers' `sem_guidance` takes.

    tensors = safetensors.torch.load_file("glasses.safetensors")
    SemanticStableDiffusionPipeline(...)(prompt, sem_guidance=list(tensors["sem_guidance"]))

One file holds one vector; several vectors are a folder of such files. The tensors:

    sem_guidance   float32, (T, 1, C, *S): γ with the parameters of the recording, see `sem_guidance.py`
    dense          (T, C, *S): m_t, unscaled and before momentum
    timesteps, sigmas   float64, (T,)
    noise          (C, *S): the initial noise, if the library has it

`dense` and `noise` are float16 or float32; bfloat16 is widened. The metadata have one entry, `sega_vectors`: JSON with
the headers of `vector` and `noise`, and the `annotation`. Previews aren't carried.

The file is written here, a tensor at a time, since safetensors' own writer holds them all in memory, twice.

References:
    Safetensors, format: https://huggingface.co/docs/safetensors/index#format
"""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sega_store.errors import InvalidInputError
from sega_store.exchange.parcel import Parcel
from sega_store.exchange.sem_guidance import sem_guidance
from sega_store.files.header import NoiseHeader, VectorHeader
from sega_store.records.dtypes import Array, little_endian, portable, widen
from sega_store.records.json_record import JSON, canonical_json, parse_json

SUFFIX = ".safetensors"


def write(path: Path, parcels: Iterable[Parcel]) -> None:
    """Writes one vector as a file, if the path ends in `.safetensors`, or any number as a folder of files.

    Raises:
        InvalidInputError: Several vectors for one file.
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


def _write(path: Path, parcel: Parcel) -> None:
    vector, noise = parcel.vector.with_preview(None), parcel.noise
    steps, *sample = vector.shape
    tensors: dict[str, tuple[np.dtype[Any], tuple[int, ...], Callable[[], Array]]] = {
        "sigmas": (vector.sigmas.dtype, (steps,), lambda: vector.sigmas),
        "timesteps": (vector.timesteps.dtype, (steps,), lambda: vector.timesteps),
        "sem_guidance": (np.dtype("float32"), (steps, 1, *sample), lambda: sem_guidance(vector)),
        "dense": (_held(vector.dtype), vector.shape, lambda: portable(vector.dense(), vector.dtype)),
    }
    facts = {
        "vector": VectorHeader.of(vector).to_json(),
        "noise": None if noise is None else NoiseHeader.of(noise).to_json(),
        "annotation": parse_json(parcel.annotation.to_bytes()),
    }
    if noise is not None:
        dense = portable(widen(noise.array, noise.dtype), noise.dtype)
        tensors["noise"] = (dense.dtype, dense.shape, lambda: dense)
    header: dict[str, JSON] = {"__metadata__": {"sega_vectors": canonical_json(facts).decode()}}
    # the largest elements first, so that each is at a multiple of its size
    ordered, end = sorted(tensors.items(), key=lambda item: -item[1][0].itemsize), 0
    for name, (dtype, shape, _) in ordered:
        start, end = end, end + math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": f"F{8 * dtype.itemsize}", "shape": list(shape), "data_offsets": [start, end]}
    text = canonical_json(header)
    text += b" " * (-len(text) % 8)
    with path.open("xb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, (_, _, make) in ordered:
            file.write(little_endian(make()))


def _held(dtype: str) -> np.dtype[Any]:
    return np.dtype("float16" if dtype == "float16" else "float32")
