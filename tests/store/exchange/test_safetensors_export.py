"""What safetensors sees; what a stranger may try is in test_hostile."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from sega_store import InvalidInputError, VectorFileError
from sega_store.exchange import safetensors_export as tensors
from sega_store.exchange.parcel import Parcel
from sega_store.exchange.sem_guidance import sem_guidance
from sega_store.records.annotation import Annotation
from sega_store.records.dtypes import widen
from tests.store.hostile import saying
from tests.store.samples import noise, vector

VECTOR = vector(edit_warmup_steps=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    tensors.write(tmp_path / "a.safetensors", [Parcel(VECTOR, noise(), Annotation("mine"))])
    return tmp_path / "a.safetensors"


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_safetensors_reads_it(dtype: str, tmp_path: Path) -> None:
    v, initial = vector(dtype=dtype, edit_warmup_steps=1), noise(dtype=dtype)
    tensors.write(tmp_path / "a.safetensors", [Parcel(v, initial)])
    found = load_file(tmp_path / "a.safetensors")
    stored = "float16" if dtype == "float16" else "float32"
    for key, array in {
        "sem_guidance": sem_guidance(v),
        "dense": v.dense().astype(stored),
        "timesteps": v.timesteps,
        "sigmas": v.sigmas,
        "noise": widen(initial.array, dtype).astype(stored),
    }.items():
        np.testing.assert_array_equal(found.pop(key), array, strict=True)
    assert not found


def test_one_file_holds_one_vector(tmp_path: Path) -> None:
    parcels = [Parcel(vector("glasses")), Parcel(vector("smile"))]
    with pytest.raises(InvalidInputError, match="one vector, met 2"):
        tensors.write(tmp_path / "a.safetensors", parcels)
    tensors.write(tmp_path / "a", parcels)
    assert {parcel.vector.id for parcel in tensors.read(tmp_path / "a")} == {p.vector.id for p in parcels}


def test_a_header_of_format_1_is_read(path: Path) -> None:
    path.write_bytes(saying(lambda facts: facts["vector"].update(format=1))(path))
    (parcel,) = tensors.read(path)
    assert (parcel.vector, parcel.noise) == (VECTOR, noise())


def test_no_flip_changes_a_vector_silently(path: Path) -> None:
    whole = path.read_bytes()
    for position in range(0, len(whole), 13):
        damaged = bytearray(whole)
        damaged[position] ^= 2
        path.write_bytes(damaged)
        try:
            (parcel,) = tensors.read(path)
        except VectorFileError:
            continue
        # what no hash covers: facts that only describe, and the list, within rounding
        assert (parcel.vector.id, parcel.noise) == (VECTOR.id, noise())
