"""What safetensors sees, and what a stranger may try."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from sega_store import InvalidInputError, VectorFileError, tensors
from sega_store.annotation import Annotation
from sega_store.dtypes import widen
from sega_store.parcel import Parcel
from sega_store.sem_guidance import sem_guidance

from .samples import Array, noise, vector

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


Facts = dict[str, Any]


def parts(path: Path) -> tuple[dict[str, Array], Facts]:
    data = path.read_bytes()
    head = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return dict(load_file(path)), json.loads(head["__metadata__"]["sega_vectors"])


def changed(**arrays: Any) -> Callable[[Path], bytes]:
    """The file with other tensors, or without those that are None."""

    def change(path: Path) -> bytes:
        found, facts = parts(path)
        kept = {name: array for name, array in {**found, **arrays}.items() if array is not None}
        return save(kept, {"sega_vectors": json.dumps(facts)})

    return change


def saying(change: Callable[[Facts], object]) -> Callable[[Path], bytes]:
    """The file with other facts."""

    def changed(path: Path) -> bytes:
        found, facts = parts(path)
        change(facts)
        return save(found, {"sega_vectors": json.dumps(facts)})

    return changed


def other(name: str) -> Callable[[Path], bytes]:
    """The file with 1 added to a tensor."""
    return lambda path: changed(**{name: parts(path)[0][name] + 1})(path)


HOSTILE: dict[str, Callable[[Path], bytes]] = {
    "empty": lambda path: b"",
    "cut off": lambda path: path.read_bytes()[:-1],
    "junk behind": lambda path: path.read_bytes() + b"x",
    "a header of 8 EiB": lambda path: b"\xff" * 8 + path.read_bytes()[8:],
    "a deep header": lambda path: (100_000).to_bytes(8, "little") + b"[" * 100_000,
    "no metadata": lambda path: save(parts(path)[0]),
    "metadata that are no JSON": lambda path: save(parts(path)[0], {"sega_vectors": "{"}),
    "metadata too deep": lambda path: save(parts(path)[0], {"sega_vectors": "[" * 1000}),
    "metadata that are a list": lambda path: save(parts(path)[0], {"sega_vectors": "[]"}),
    "another format": saying(lambda facts: facts["vector"].update(format=2)),
    "1 TiB": saying(lambda facts: facts["vector"].update(shape=[1 << 10, 1 << 10, 1 << 10, 1 << 8])),
    "another nnz": saying(lambda facts: facts["vector"].update(nnz=1)),
    "another prompt": saying(lambda facts: facts["vector"]["provenance"]["run"].update(prompt="x")),
    "no noise in the facts": saying(lambda facts: facts.update(noise=None)),
    "another seed's noise": saying(lambda facts: facts["noise"].update(sha256="0" * 64)),
    "a false annotation": saying(lambda facts: facts.update(annotation="x")),
    "another list": other("sem_guidance"),
    "another vector": other("dense"),
    "other steps": other("timesteps"),
    "other noise": other("noise"),
    "a vector with NaN": changed(dense=np.full(VECTOR.shape, np.nan, np.float32)),
    "a list with NaN": changed(sem_guidance=np.full((3, 1, 2, 4, 4), np.nan, np.float32)),
    "no vector": changed(dense=None),
    "one tensor more": changed(more=np.zeros(1)),
    "another dtype": changed(dense=VECTOR.dense().astype(np.float64)),
    "another shape": changed(dense=VECTOR.dense().reshape(-1)),
    "a dtype of another kind": changed(dense=np.zeros(VECTOR.shape, np.bool_)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_write_would_not_write_is_refused(name: str, path: Path) -> None:
    assert [parcel.vector for parcel in tensors.read(path)] == [VECTOR]
    path.write_bytes(HOSTILE[name](path))
    with pytest.raises(VectorFileError, match=r"a\.safetensors"):
        list(tensors.read(path))


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
