"""Files that were written once and must be readable for ever. No test writes them; see make_golden.py."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from sega_store import read_noise, read_vector, write_noise, write_vector
from sega_store.container import unpack

from .make_golden import GOLDEN, INDEX, contents

HASHES = json.loads(INDEX.read_text())
EXPECTED = {f"format1-{name}.zarr.zip" for name in contents()}


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
    assert list(old) == list(new)
    for key in old:
        if key.endswith("zarr.json"):  # chunks may differ with the version of zstd; identity doesn't
            assert old[key] == new[key]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_same_facts_and_values_still_give_the_same_id(name: str) -> None:
    data = contents()[name.removeprefix("format1-").removesuffix(".zarr.zip")]
    identity = read_noise(data).sha256 if "noise" in name else read_vector(data).id
    assert identity == HASHES[name]["id"]


def test_what_the_files_cover() -> None:
    vectors = {name: read_vector(GOLDEN / name) for name in EXPECTED if "vector" in name}
    assert {vector.dtype for vector in vectors.values()} == {"float32", "float16", "bfloat16"}
    assert {len(vector.shape) for vector in vectors.values()} == {4, 5}
    assert vectors["format1-vector-empty.zarr.zip"].nnz == 0
    assert vectors["format1-vector-full.zarr.zip"].support.any(axis=0).all()
    preview = vectors["format1-vector-preview.zarr.zip"].preview
    assert preview is not None
    assert preview.before.startswith(b"\x89PNG")
    counts = np.count_nonzero(vectors["format1-vector-float32.zarr.zip"].support, axis=(2, 3))
    assert len(np.unique(counts)) > 1
