"""What zarr-python and tensorstore see."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import zarr

from sega_store.exchange import zarr_export as hierarchy
from sega_store.exchange.parcel import Parcel
from sega_store.files.header import NoiseHeader, VectorHeader
from sega_store.records.annotation import Annotation
from sega_store.records.dtypes import widen
from tests.store.samples import PREVIEW, Array, noise, vector

SAMPLES = {
    "float32": vector().with_preview(PREVIEW),
    "float16": vector(dtype="float16"),
    "bfloat16": vector(dtype="bfloat16"),
    "video": vector(shape=(3, 2, 2, 4, 4)),
    "empty": vector(kept=0),
}


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
    preview = v.preview and np.frombuffer(v.preview.before + v.preview.after, np.uint8)
    found = group.get("preview")
    assert (found is None) == (preview is None)
    if isinstance(found, zarr.Array):
        np.testing.assert_array_equal(np.asarray(found[...]), preview, strict=True)
    names: Any = group["dense"].metadata
    assert names.dimension_names[:2] == ("step", "channel")
    folder = path / "noise" / initial.sha256
    np.testing.assert_array_equal(by_tensorstore(folder), widen(initial.array, "bfloat16"), strict=True)
    assert zarr.open_array(folder, mode="r").attrs["sega_vectors"] == json.loads(
        json.dumps(NoiseHeader.of(initial).to_json())
    )
