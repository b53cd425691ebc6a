import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorstore
import zarr
from hypothesis import given
from zarr.storage import ZipStore

from sega_store import (
    GuidanceVector,
    InvalidInputError,
    VectorFileError,
    read_noise,
    read_vector,
    write_noise,
    write_vector,
)
from sega_store.files.codec import ALWAYS_BYTES
from sega_store.files.header import VectorHeader, read_header
from sega_store.files.vector_file import check_noise_size, check_vector_size, vector_arrays
from sega_store.files.zip_container import pack, unpack
from sega_store.records.dtypes import narrow
from tests.store.make_golden import GOLDEN
from tests.store.samples import PREVIEW, Array, noise, provenance, vector, vectors

SAMPLES = {
    "float32": vector(),
    "float16": vector(dtype="float16"),
    "bfloat16": vector(dtype="bfloat16"),
    "video": vector(shape=(3, 2, 2, 4, 4)),
    "one dimension": vector(shape=(3, 2, 7)),
    "one entry": vector(shape=(1, 1, 1), kept=1),
    "empty": vector(kept=0),
    "full": vector(kept=1),
    "preview": vector().with_preview(PREVIEW),
    "large": vector(shape=(20, 4, 32, 32)),
}
OLD = {path.name: read_vector(path) for path in sorted(GOLDEN.glob("format1-vector-*"))}


@given(vectors())
def test_a_vector_comes_back_to_the_bit(v: GuidanceVector) -> None:
    data = write_vector(v)
    again = read_vector(data)
    for name in ("support", "values", "timesteps", "sigmas"):
        ours, theirs = getattr(v, name), getattr(again, name)
        assert ours.dtype == theirs.dtype
        assert ours.tobytes() == theirs.tobytes()
    assert (again.concept, again.provenance, again.dtype, again.preview) == (
        v.concept,
        v.provenance,
        v.dtype,
        v.preview,
    )
    assert (again.id, again) == (v.id, v)
    assert write_vector(again) == data


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(2, 4, 4), (4, 3, 8, 8), (1, 1)])
def test_a_noise_comes_back_to_the_bit(dtype: str, shape: tuple[int, ...]) -> None:
    initial = noise(shape=shape, dtype=dtype)
    again = read_noise(write_noise(initial))
    assert again.array.tobytes() == initial.array.tobytes()
    assert (again.facts, again.shape) == (initial.facts, initial.shape)


def open_by_tensorstore(path: Path, name: str) -> Array:
    base = {"driver": "file", "path": str(path)}
    spec = {"driver": "zarr3", "kvstore": {"driver": "zip", "base": base, "path": f"{name}/"}}
    array: Array = tensorstore.open(spec, read=True, open=True).result().read().result()
    return array


@pytest.mark.parametrize("name", [*SAMPLES, *OLD])
def test_zarr_and_tensorstore_read_the_same(name: str, tmp_path: Path) -> None:
    v, path = (SAMPLES | OLD)[name], tmp_path / "vector.zarr.zip"
    path.write_bytes((GOLDEN / name).read_bytes() if name in OLD else write_vector(v))
    arrays = {"support": v.support, "values": v.values, "timesteps": v.timesteps, "sigmas": v.sigmas}
    if v.preview:
        arrays["preview"] = np.frombuffer(v.preview.before + v.preview.after, np.uint8)
    with warnings.catch_warnings(), ZipStore(path, mode="r") as store:
        warnings.simplefilter("error")
        group = zarr.open_group(store, mode="r")
        assert sorted(group) == sorted(arrays)
        header = replace(VectorHeader.of(v), format=1 if name in OLD else 2)
        assert group.attrs["sega_vectors"] == json.loads(json.dumps(header.to_json()))
        for key, array in arrays.items():
            node = group[key]
            assert isinstance(node, zarr.Array)
            np.testing.assert_array_equal(np.asarray(node[...]), array, strict=True)
            np.testing.assert_array_equal(open_by_tensorstore(path, key), array, strict=True)


def test_the_header_is_read_alone(tmp_path: Path) -> None:
    v, path = SAMPLES["preview"], tmp_path / "vector.zarr.zip"
    data = write_vector(v)
    path.write_bytes(data)
    header, size = read_header(path)
    assert (header, size) == (VectorHeader.of(v), len(data))
    long = replace(v, provenance=replace(v.provenance, run=replace(v.provenance.run, prompt="long " * 10_000)))
    path.write_bytes(write_vector(long))
    assert read_header(path)[0] == VectorHeader.of(long)


def test_facts_too_long_for_a_reader_are_not_written() -> None:
    v = vector()
    long = replace(v, provenance=replace(v.provenance, run=replace(v.provenance.run, prompt="x" * (1 << 20))))
    with pytest.raises(InvalidInputError, match="bytes of JSON"):
        write_vector(long)


def test_the_large_sample_is_small() -> None:
    v = SAMPLES["large"]
    assert len(write_vector(v)) < v.values.nbytes + v.support.size / 8 + 5000


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_format_2_is_smaller_for_each_dtype(dtype: str) -> None:
    rng = np.random.default_rng(0)
    dense = rng.standard_normal((4, 32, 32)) + 0.1 * rng.standard_normal((20, 4, 32, 32))  # places stay, as recorded
    dense = narrow(np.where(np.abs(dense) > 1.3, dense, 0).astype(np.float32), dtype)
    v = GuidanceVector.from_dense(vector().concept, dense, np.arange(20.0), np.arange(20.0), provenance(), dtype)
    old, new = (vector_arrays(replace(VectorHeader.of(v), format=version)) for version in VectorHeader.FORMATS)
    for i, array in enumerate((v.support, v.values)):
        chunks = [one[i].encode(array)[one[i].chunk_key] for one in (old, new)]
        assert len(chunks[1]) < len(chunks[0])


@pytest.mark.parametrize("name", ["float32", "preview", "large"])
def test_every_flipped_byte_is_found(name: str) -> None:
    v = SAMPLES[name]
    data = write_vector(v)
    rng = np.random.default_rng(0)
    for position in rng.choice(len(data), 400, replace=False):
        damaged = bytearray(data)
        damaged[position] ^= rng.integers(1, 256)
        with pytest.raises(VectorFileError):
            read_vector(bytes(damaged))


def test_every_flipped_byte_is_found_behind_the_checksums_too() -> None:
    """With the zip's CRC set right again, as an attacker would."""
    v = SAMPLES["float32"]
    contents = {name: bytes(content) for name, content in unpack(write_vector(v)).items()}
    rng = np.random.default_rng(0)
    for name, content in contents.items():
        for position in rng.choice(len(content), min(40, len(content)), replace=False):
            damaged = bytearray(content)
            damaged[position] ^= rng.integers(1, 256)
            try:
                again = read_vector(pack(contents | {name: bytes(damaged)}))
            except VectorFileError:
                continue
            assert name == "zarr.json"  # facts that no hash covers, such as the model's name
            assert again.id == v.id


def test_the_memory_limit_is_a_parameter() -> None:
    data = write_vector(SAMPLES["large"])
    with pytest.raises(VectorFileError, match="more than the budget of 1,000"):
        read_vector(data, max_bytes=1000)


def test_a_size_that_the_beginning_does_not_promise_is_refused() -> None:
    for data, check_size in ((write_vector(vector()), check_vector_size), (write_noise(noise()), check_noise_size)):
        check_size(data, len(data))
        check_size(data[: len(data) // 2], len(data))
        with pytest.raises(InvalidInputError, match="more than its arrays"):
            check_size(data, 1 << 30)
        with pytest.raises(InvalidInputError):
            check_size(bytes(1 << 10), 1 << 30)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    for name in ("missing", "."):
        with pytest.raises(VectorFileError, match=r"can't be read|regular"):
            read_vector(tmp_path / name)


def test_what_a_reader_takes_for_a_bomb_is_not_written() -> None:
    assert len(write_vector(vector(shape=(1, 1, ALWAYS_BYTES - 16), kept=0))) < 10_000
    with pytest.raises(InvalidInputError, match="keep more"):
        write_vector(vector(shape=(1, 1, ALWAYS_BYTES + 1), kept=0))
    read_vector(write_vector(vector(shape=(1, 1, ALWAYS_BYTES + 1), kept=0.002)))
