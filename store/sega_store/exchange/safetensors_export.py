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
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sega_store.errors import InvalidInputError
from sega_store.exchange.parcel import Parcel
from sega_store.exchange.sem_guidance import sem_guidance
from sega_store.files.header import NoiseHeader, VectorHeader
from sega_store.records.dtypes import portable, widen
from sega_store.records.json_record import canonical_json, parse_json

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
    from safetensors.numpy import save

    vector, noise = parcel.vector.with_preview(None), parcel.noise
    tensors = {
        "sem_guidance": sem_guidance(vector),
        "dense": portable(vector.dense(), vector.dtype),
        "timesteps": vector.timesteps,
        "sigmas": vector.sigmas,
    }
    facts = {
        "vector": VectorHeader.of(vector).to_json(),
        "noise": None if noise is None else NoiseHeader.of(noise).to_json(),
        "annotation": parse_json(parcel.annotation.to_bytes()),
    }
    if noise is not None:
        tensors["noise"] = portable(widen(noise.array, noise.dtype), noise.dtype)
    # one entry, for safetensors writes several in any order
    metadata = {"sega_vectors": canonical_json(facts).decode()}
    path.write_bytes(save({name: np.ascontiguousarray(array) for name, array in tensors.items()}, metadata))
