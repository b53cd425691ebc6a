"""What zarr-python and tensorstore see, and what a stranger may try."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import zarr

from sega_store import VectorFileError, hierarchy
from sega_store.annotation import Annotation
from sega_store.dtypes import widen
from sega_store.header import NoiseHeader, VectorHeader
from sega_store.parcel import Parcel

from .samples import PREVIEW, Array, noise, vector

VECTOR = vector().with_preview(PREVIEW)
SAMPLES = {
    "float32": VECTOR,
    "float16": vector(dtype="float16"),
    "bfloat16": vector(dtype="bfloat16"),
    "video": vector(shape=(3, 2, 2, 4, 4)),
    "empty": vector(kept=0),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    hierarchy.write(tmp_path / "a.zarr", [Parcel(VECTOR, noise(), Annotation("mine"))])
    return tmp_path / "a.zarr"


def by_tensorstore(path: Path) -> Array:
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}
    array: Array = tensorstore.open(spec, read=True, open=True).result().read().result()
    return array


@pytest.mark.parametrize("name", SAMPLES)
def test_zarr_and_tensorstore_read_it(name: str, tmp_path: Path) -> None:
    v, path = SAMPLES[name], tmp_path / "a.zarr"
    initial = noise(dtype="bfloat16")
    hierarchy.write(path, [Parcel(v, initial, Annotation("mine"))])
    group = zarr.open_group(path, mode="r")[f"vectors/{v.id}"]
    assert isinstance(group, zarr.Group)
    assert group.attrs["sega_vectors"] == json.loads(json.dumps(VectorHeader.of(v).to_json()))
    assert dict(group.attrs)["annotation"]["name"] == "mine"  # type: ignore[index, call-overload]
    dense = v.dense().astype("float16" if v.dtype == "float16" else "float32")
    for key, array in (("dense", dense), ("timesteps", v.timesteps), ("sigmas", v.sigmas)):
        node = group[key]
        assert isinstance(node, zarr.Array)
        np.testing.assert_array_equal(np.asarray(node[...]), array, strict=True)
        np.testing.assert_array_equal(by_tensorstore(path / f"vectors/{v.id}/{key}"), array, strict=True)
    names: Any = group["dense"].metadata
    assert names.dimension_names[:2] == ("step", "channel")
    folder = path / "noise" / initial.sha256
    np.testing.assert_array_equal(by_tensorstore(folder), widen(initial.array, "bfloat16"), strict=True)
    assert zarr.open_array(folder, mode="r").attrs["sega_vectors"] == json.loads(
        json.dumps(NoiseHeader.of(initial).to_json())
    )


Change = Callable[[Path], None]


def metadata(name: str, **changes: Any) -> Change:
    """Changes an array's metadata."""

    def change(path: Path) -> None:
        file = path / "vectors" / VECTOR.id / name / "zarr.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return change


def facts(**changes: Any) -> Change:
    """Changes a vector's header."""

    def change(path: Path) -> None:
        file = path / "vectors" / VECTOR.id / "zarr.json"
        document = json.loads(file.read_text())
        document["attributes"]["sega_vectors"].update(changes)
        file.write_text(json.dumps(document))

    return change


def at(name: str, data: bytes | None) -> Change:
    """Changes a vector's file; None removes it."""

    def change(path: Path) -> None:
        file = path / "vectors" / VECTOR.id / name
        if data is None:
            file.unlink()
        else:
            file.write_bytes(data)

    return change


def move(path: Path) -> None:
    (path / "vectors" / VECTOR.id).rename(path / "vectors" / f"{'0' * 64}.{'0' * 64}")


def another_noise(path: Path) -> None:
    hierarchy.write(path.parent / "b.zarr", [Parcel(VECTOR, noise(5))])
    folder = path / "noise" / noise().sha256
    shutil.rmtree(folder)
    (path.parent / "b.zarr" / "noise" / noise(5).sha256).rename(folder)


def rewritten(path: Path) -> None:
    """Some other numbers, written by zarr itself."""
    array = zarr.open_array(path / "vectors" / VECTOR.id / "dense", mode="r+")
    array[0, 0, 0, 0] = 7


HOSTILE: dict[str, Change] = {
    "a missing chunk": at("dense/c/0/0/0/0", None),
    "an empty chunk": at("dense/c/0/0/0/0", b""),
    "a long chunk": at("dense/c/0/0/0/0", bytes(1 << 20)),
    "a missing preview": at("preview/c/0", None),
    "other numbers": rewritten,
    "3.6 PiB": metadata("dense", shape=[1 << 52]),
    "3.6 PiB in the header": facts(shape=[1 << 20, 1 << 10, 1 << 10, 1 << 10]),
    "1 TiB in the header": facts(shape=[1 << 10, 1 << 10, 1 << 10, 1 << 8], nnz=1),
    "other codecs": metadata("dense", codecs=[{"name": "bytes", "configuration": {"endian": "big"}}]),
    "storage transformers": metadata("dense", storage_transformers=[{"name": "x"}]),
    "unknown metadata": metadata("dense", must_understand=True),
    "no metadata": at("dense/zarr.json", None),
    "metadata that are a list": at("zarr.json", b"[]"),
    "metadata too deep": at("zarr.json", b"[" * 100_000),
    "metadata too long": at("zarr.json", b" " * (2 << 20)),
    "no header": at("zarr.json", b'{"attributes":{}}'),
    "another format": facts(format=2),
    "another nnz": facts(nnz=1),
    "another recipe": facts(recipe="0" * 64),
    "another's name": move,
    "another's noise": another_noise,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_write_would_not_write_is_refused(name: str, path: Path) -> None:
    assert [parcel.vector for parcel in hierarchy.read(path)] == [VECTOR]
    HOSTILE[name](path)
    with pytest.raises(VectorFileError, match=r"a\.zarr"):
        list(hierarchy.read(path))


def test_flips_in_chunks_are_found(path: Path) -> None:
    for chunk in sorted(p for p in path.rglob("*") if p.is_file() and p.name != "zarr.json"):
        whole = chunk.read_bytes()
        for position in range(0, len(whole), 11):
            damaged = bytearray(whole)
            damaged[position] ^= 8
            chunk.write_bytes(damaged)
            with pytest.raises(VectorFileError):
                list(hierarchy.read(path))
        chunk.write_bytes(whole)
