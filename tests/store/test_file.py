import json
import struct
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pytest
import tensorstore
import zarr
from hypothesis import given
from numcodecs import blosc
from zarr.storage import ZipStore

from sega_store import (
    GuidanceVector,
    InitialNoise,
    InvalidInputError,
    VectorFileError,
    read_noise,
    read_vector,
    write_noise,
    write_vector,
)
from sega_store.container import pack, unpack
from sega_store.header import VectorHeader, read_header

from .samples import PREVIEW, Array, noise, vector, vectors

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


@pytest.mark.parametrize("name", SAMPLES)
def test_zarr_and_tensorstore_read_the_same(name: str, tmp_path: Path) -> None:
    v, path = SAMPLES[name], tmp_path / "vector.zarr.zip"
    path.write_bytes(write_vector(v))
    arrays = {"support": v.support, "values": v.values, "timesteps": v.timesteps, "sigmas": v.sigmas}
    if v.preview:
        arrays["preview"] = np.frombuffer(v.preview.before + v.preview.after, np.uint8)
    with warnings.catch_warnings(), ZipStore(path, mode="r") as store:
        warnings.simplefilter("error")
        group = zarr.open_group(store, mode="r")
        assert sorted(group) == sorted(arrays)
        assert group.attrs["sega_vectors"] == json.loads(json.dumps(VectorHeader.of(v).to_json()))
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


def rechecked(chunk: bytes) -> bytes:
    return chunk + int(google_crc32c.value(chunk)).to_bytes(4, "little")


def with_facts(contents: dict[str, bytes], **facts: Any) -> dict[str, bytes]:
    root = json.loads(contents["zarr.json"])
    root["attributes"]["sega_vectors"] |= facts
    text = json.dumps(root, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return contents | {"zarr.json": text.encode()}


def with_array(contents: dict[str, bytes], key: str, array: Array) -> dict[str, bytes]:
    shuffle = blosc.BITSHUFFLE if array.dtype == np.uint8 else blosc.SHUFFLE
    return contents | {key: rechecked(blosc.compress(array, b"zstd", 5, shuffle))}


def with_bad_value(contents: dict[str, bytes], value: float) -> dict[str, bytes]:
    values = SAMPLES["float32"].values.copy()
    values[3] = value
    return with_array(contents, "values/c/0", values)


def with_support(contents: dict[str, bytes], change: Callable[[Array], None]) -> dict[str, bytes]:
    support = np.ascontiguousarray(np.moveaxis(SAMPLES["float32"].support, 0, -1)).view(np.uint8)
    change(support)
    return with_array(contents, "support/c/0/0/0/0", support)


def with_blosc_header(contents: dict[str, bytes], offset: int, value: int) -> dict[str, bytes]:
    chunk = bytearray(contents["values/c/0"][:-4])
    struct.pack_into("<I", chunk, offset, value)
    return contents | {"values/c/0": rechecked(bytes(chunk))}


def without(contents: dict[str, bytes], key: str) -> dict[str, bytes]:
    return {name: content for name, content in contents.items() if name != key}


def all_set(support: Array) -> None:
    support[...] = 1


def two_of_true(support: Array) -> None:
    support[support == 1] = 2


HOSTILE: dict[str, tuple[Callable[[dict[str, bytes]], dict[str, bytes]], str]] = {
    "missing chunk": (lambda c: without(c, "values/c/0"), "entries"),
    "missing array": (lambda c: without(without(c, "sigmas/zarr.json"), "sigmas/c/0"), "entries"),
    "missing root": (lambda c: without(c, "zarr.json"), "first entry"),
    "more": (lambda c: c | {"more": b""}, "entries"),
    "traversal": (lambda c: c | {"../../evil": b""}, "entries"),
    "absolute": (lambda c: c | {"/etc/evil": b""}, "entries"),
    "order": (lambda c: dict(reversed(c.items())), "first entry"),
    "huge shape": (lambda c: with_facts(c, shape=[1 << 20, 1 << 20, 1 << 20]), "elements"),
    "large shape": (lambda c: with_facts(c, shape=[1 << 12, 1 << 10, 1 << 10]), "limit"),
    "many dimensions": (lambda c: with_facts(c, shape=[1] * 1000), "dimensions"),
    "negative shape": (lambda c: with_facts(c, shape=[-1, 2, 2]), "dimensions"),
    "other shape": (lambda c: with_facts(c, shape=[3, 2, 16]), "entries"),
    "transposed shape": (lambda c: with_facts(c, shape=[2, 3, 4, 4]), "isn't the one"),
    "float shape": (lambda c: with_facts(c, shape=[3.0, 2, 4, 4]), "int"),
    "nnz": (lambda c: with_facts(c, nnz=SAMPLES["float32"].nnz + 1), "isn't the one"),
    "dtype": (lambda c: with_facts(c, dtype="float16"), "isn't the one"),
    "unknown dtype": (lambda c: with_facts(c, dtype="object"), "dtype"),
    "newer format": (lambda c: with_facts(c, format=2), "upgrade"),
    "kind": (lambda c: with_facts(c, kind="noise"), "a noise"),
    "more facts": (lambda c: with_facts(c, more=1), "keys"),
    "content": (lambda c: with_facts(c, content="0" * 64), "content hashes"),
    "recipe": (lambda c: with_facts(c, recipe="0" * 64), "recipe"),
    "spaces in JSON": (lambda c: c | {"zarr.json": c["zarr.json"] + b" "}, "canonical"),
    "NaN in JSON": (lambda c: with_facts(c, nnz=float("nan")), "int"),
    "deep JSON": (lambda c: c | {"zarr.json": b"[" * 100_000}, "deeper"),
    "long JSON": (lambda c: with_facts(c, more="x" * (2 << 20)), "limit"),
    "no JSON": (lambda c: c | {"zarr.json": b"\x00"}, "JSON"),
    "no group": (lambda c: c | {"zarr.json": b"[]"}, "no file of sega-vectors"),
    "array metadata": (
        lambda c: c | {"values/zarr.json": c["values/zarr.json"].replace(b"zstd", b"zlib")},
        "isn't the one",
    ),
    "NaN": (lambda c: with_bad_value(c, np.nan), "finite"),
    "infinity": (lambda c: with_bad_value(c, np.inf), "finite"),
    "zero": (lambda c: with_bad_value(c, 0), "zero"),
    "another value": (lambda c: with_bad_value(c, 0.125), "content hashes"),
    "population": (lambda c: with_support(c, all_set), "support has 96 entries"),
    "bytes of 2": (lambda c: with_support(c, two_of_true), "other than 0 and 1"),
    "moved support": (lambda c: with_support(c, lambda s: s.ravel()[:].sort()), "content hashes"),
    "blosc bomb": (lambda c: with_blosc_header(c, 4, 1 << 30), "Blosc header"),
    "blosc cut": (lambda c: with_blosc_header(c, 12, 20), "Blosc header"),
    "blosc blocks": (lambda c: with_blosc_header(c, 8, 1 << 30), "decompressed"),
    "blosc codec": (
        lambda c: c | {"values/c/0": rechecked(blosc.compress(SAMPLES["float32"].values, b"lz4", 5, 1))},
        "Blosc header",
    ),
    "short chunk": (lambda c: c | {"values/c/0": rechecked(b"\x02")}, "too short"),
    "no chunk": (lambda c: c | {"values/c/0": b""}, "checksum"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused(case: str, tmp_path: Path) -> None:
    change, message = HOSTILE[case]
    contents = {name: bytes(content) for name, content in unpack(write_vector(SAMPLES["float32"])).items()}
    path = tmp_path / "hostile.zarr.zip"
    path.write_bytes(pack(change(contents)))
    with pytest.raises(VectorFileError, match=message) as caught:
        read_vector(path)
    assert caught.value.file == str(path)


def test_the_memory_limit_is_a_parameter() -> None:
    data = write_vector(SAMPLES["large"])
    with pytest.raises(VectorFileError, match="limit of 1000"):
        read_vector(data, max_bytes=1000)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    for name in ("missing", "."):
        with pytest.raises(VectorFileError, match=r"can't be read|regular"):
            read_vector(tmp_path / name)
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(VectorFileError, match="limit"):
        read_vector(path)


def test_a_noise_is_no_vector() -> None:
    with pytest.raises(VectorFileError, match="keys"):
        read_vector(write_noise(noise()))
    with pytest.raises(VectorFileError, match="keys"):
        read_noise(write_vector(vector()))


def test_a_damaged_noise_is_refused() -> None:
    data = write_noise(noise())
    contents = {name: bytes(content) for name, content in unpack(data).items()}
    other = write_noise(InitialNoise(noise().array + 1, seed=21))
    swapped = contents | {"noise/c/0/0/0": bytes(unpack(other)["noise/c/0/0/0"])}
    with pytest.raises(VectorFileError, match="content hashes"):
        read_noise(pack(swapped))
