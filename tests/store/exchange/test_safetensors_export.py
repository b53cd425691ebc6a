"""What safetensors sees."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from sega_store import InvalidInputError
from sega_store.exchange import safetensors_export as tensors
from sega_store.exchange.parcel import Parcel
from sega_store.exchange.sem_guidance import sem_guidance
from sega_store.files.header import NoiseHeader, VectorHeader
from sega_store.records.annotation import Annotation
from sega_store.records.dtypes import widen
from tests.store.samples import noise, vector


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_safetensors_reads_it(dtype: str, tmp_path: Path) -> None:
    v, initial = vector(dtype=dtype, edit_warmup_steps=1), noise(dtype=dtype)
    tensors.write(tmp_path / "a.safetensors", [Parcel(v, initial, Annotation("mine"))])
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
    with safe_open(tmp_path / "a.safetensors", "numpy") as file:
        facts = json.loads(file.metadata()["sega_vectors"])
    headers = {"vector": VectorHeader.of(v).to_json(), "noise": NoiseHeader.of(initial).to_json()}
    assert facts.pop("annotation")["name"] == "mine"
    assert facts == json.loads(json.dumps(headers))


def test_one_file_holds_one_vector(tmp_path: Path) -> None:
    parcels = [Parcel(vector("glasses")), Parcel(vector("smile"))]
    with pytest.raises(InvalidInputError, match="one vector, met 2"):
        tensors.write(tmp_path / "a.safetensors", parcels)
    tensors.write(tmp_path / "a", parcels)
    for v in (parcel.vector for parcel in parcels):
        found = load_file(tmp_path / "a" / f"{v.id}.safetensors")
        np.testing.assert_array_equal(found["dense"], v.dense(), strict=True)
    assert len(list((tmp_path / "a").iterdir())) == 2
