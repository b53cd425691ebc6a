"""Files that were written once and must be readable for ever. No test writes them; see make_golden.py."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from sega_store import read_noise, read_vector, write_noise, write_vector
from sega_store.files.header import read_header
from sega_store.files.zip_container import unpack

from .make_golden import GOLDEN, INDEX, contents

HASHES = json.loads(INDEX.read_text())
FORMATS = {"vector": (1, 2), "noise": (1,)}
EXPECTED = {f"format{n}-{name}.zarr.zip" for name in contents() for n in FORMATS[name.partition("-")[0]]}
NEW_IN_2 = {"zarr.json", "support/zarr.json", "values/zarr.json"}


def test_the_corpus_is_complete() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {*HASHES, INDEX.name}
    assert set(HASHES) >= EXPECTED
    for name, hashes in HASHES.items():
        assert hashlib.sha256((GOLDEN / name).read_bytes()).hexdigest() == hashes["file"]


def rewritten(path: Path) -> tuple[str, bytes]:
    """The id of what a file holds, and the file of it as it would be written today."""
    if "noise" in path.name:
        noise = read_noise(path)
        return noise.sha256, write_noise(noise)
    vector = read_vector(path)
    return vector.id, write_vector(vector)


@pytest.mark.parametrize("name", sorted(HASHES))
def test_every_file_reads_to_its_hash(name: str) -> None:
    identity, data = rewritten(GOLDEN / name)
    assert identity == HASHES[name]["id"]
    old, new = unpack((GOLDEN / name).read_bytes()), unpack(data)
    assert list(old) == list(new)  # chunks may differ with the version of zstd; identity doesn't
    changed = {key for key in old if key.endswith("zarr.json") and old[key] != new[key]}
    assert changed == (NEW_IN_2 if name.startswith("format1-vector") else set())
    assert bytes(old["zarr.json"]).replace(b'"format":1', b'"format":2') == bytes(new["zarr.json"]) or not changed


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_same_facts_and_values_still_give_the_same_id(name: str) -> None:
    data = contents()[name.partition("-")[2].removesuffix(".zarr.zip")]
    identity = read_noise(data).sha256 if "noise" in name else read_vector(data).id
    assert identity == HASHES[name]["id"]


@pytest.mark.parametrize("version", FORMATS["vector"])
def test_what_the_files_cover(version: int) -> None:
    prefix = f"format{version}-vector-"
    vectors = {name.removeprefix(prefix): read_vector(GOLDEN / name) for name in EXPECTED if name.startswith(prefix)}
    assert {read_header(GOLDEN / f"{prefix}{name}")[0].format for name in vectors} == {version}
    assert {vector.dtype for vector in vectors.values()} == {"float32", "float16", "bfloat16"}
    assert {len(vector.shape) for vector in vectors.values()} == {4, 5}
    assert vectors["empty.zarr.zip"].nnz == 0
    assert vectors["full.zarr.zip"].support.any(axis=0).all()
    preview = vectors["preview.zarr.zip"].preview
    assert preview is not None
    assert preview.before.startswith(b"\x89PNG")
    counts = np.count_nonzero(vectors["float32.zarr.zip"].support, axis=(2, 3))
    assert len(np.unique(counts)) > 1
