"""What zarr-python and tensorstore see; what a stranger may try is in test_hostile."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import zarr

from sega_store import InvalidInputError, VectorFileError
from sega_store.exchange import zarr_export as hierarchy
from sega_store.exchange.parcel import Parcel
from sega_store.files.codec import ALWAYS_BYTES
from sega_store.files.header import NoiseHeader, VectorHeader
from sega_store.records.annotation import Annotation
from sega_store.records.dtypes import widen
from tests.store import hostile
from tests.store.samples import PREVIEW, Array, noise, vector

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


def test_a_header_of_format_1_is_read(path: Path) -> None:
    assert VECTOR == hostile.VECTOR
    hostile.facts(format=1)(path)
    (parcel,) = hierarchy.read(path)
    assert (parcel.vector, parcel.vector.preview, parcel.noise) == (VECTOR, PREVIEW, noise())


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


def test_what_a_reader_takes_for_a_bomb_is_not_written(tmp_path: Path) -> None:
    hierarchy.write(tmp_path / "b.zarr", [Parcel(vector(shape=(1, 1, ALWAYS_BYTES // 4), kept=0))])
    assert len(list(hierarchy.read(tmp_path / "b.zarr"))) == 1
    with pytest.raises(InvalidInputError, match="keep more"):
        hierarchy.write(tmp_path / "c.zarr", [Parcel(vector(shape=(1, 1, ALWAYS_BYTES // 4 + 1), kept=0))])
