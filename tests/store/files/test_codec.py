"""Arrays as chunks: what other programs read of them, and what is refused."""

import json
import struct

import google_crc32c
import numpy as np
import pytest
from numcodecs import blosc

from sega_store import InvalidInputError, VectorFileError, read_vector, write_vector
from sega_store.files.codec import ALWAYS_BYTES, ArrayFormat, check_arrays
from sega_store.files.zip_container import pack, unpack
from tests.store.samples import PREVIEW, vector

RANDOM = np.random.default_rng(0)
SUPPORT = RANDOM.random((5, 3, 700)) < 0.2
FORMATS = {
    "support": (ArrayFormat("a", (5, 3, 700), "bool", first_axis_last=True).bitshuffled(8), SUPPORT),
    "values": (ArrayFormat("a", (5000,), "float32").bitshuffled(9), RANDOM.random(5000, np.float32)),
    "split": (ArrayFormat("a", (5000,), "float16", level=8), np.arange(5000).astype(np.float16)),
    "copied": (ArrayFormat("a", (3,), "float64"), np.array([1.5, -2, 3])),
    "blocks": (ArrayFormat("a", (1 << 19,), "float32").bitshuffled(9), np.arange(1 << 19, dtype=np.float32)),
}  # fmt: skip


def rechecked(chunk: bytes) -> bytes:
    return chunk + int(google_crc32c.value(chunk)).to_bytes(4, "little")


def longer(chunk: bytes, junk: bytes = b"junk") -> bytes:
    """The chunk with bytes after its data, which its header counts."""
    return rechecked(chunk[:12] + struct.pack("<I", len(chunk) - 4 + len(junk)) + chunk[16:-4] + junk)


@pytest.mark.parametrize("name", FORMATS)
def test_a_chunk_is_what_blosc_reads(name: str) -> None:
    kept, array = FORMATS[name]
    chunk = kept.encode(array)[kept.chunk_key]
    assert rechecked(chunk[:-4]) == chunk
    order = np.moveaxis(array, 0, -1) if kept.first_axis_last else array
    assert bytes(blosc.decompress(chunk[:-4])) == order.tobytes()
    assert json.loads(kept.metadata())["shape"] == list(array.shape)
    assert np.array_equal(kept.decode({key: memoryview(data) for key, data in kept.encode(array).items()}), array)


@pytest.mark.parametrize("name", FORMATS)
def test_bytes_after_the_data_are_refused(name: str) -> None:
    kept, array = FORMATS[name]
    contents = kept.encode(array)
    changed = longer(contents[kept.chunk_key])
    if name != "copied":
        assert blosc.decompress(changed[:-4]) == blosc.decompress(contents[kept.chunk_key][:-4])
    with pytest.raises(InvalidInputError, match="belong to no block"):
        kept.decode({key: memoryview(data) for key, data in (contents | {kept.chunk_key: changed}).items()})


@pytest.mark.parametrize("name", ["support", "values", "timesteps", "sigmas"])
def test_bytes_after_the_data_of_a_vector_are_refused(name: str) -> None:
    contents = {key: bytes(data) for key, data in unpack(write_vector(vector().with_preview(PREVIEW))).items()}
    key = next(key for key in contents if key.startswith(f"{name}/c"))
    with pytest.raises(VectorFileError, match="belong to no block"):
        read_vector(pack(contents | {key: longer(contents[key])}))


def test_a_wrong_checksum_is_refused() -> None:
    kept, array = FORMATS["values"]
    contents = kept.encode(array)
    contents[kept.chunk_key] = contents[kept.chunk_key][:-1] + bytes([contents[kept.chunk_key][-1] ^ 1])
    with pytest.raises(InvalidInputError, match="wrong checksum"):
        kept.decode({key: memoryview(data) for key, data in contents.items()})


def test_each_array_is_held_against_its_own_chunk() -> None:
    empty = ArrayFormat("support", (1, 1, ALWAYS_BYTES + 1), "bool")
    ballast = ArrayFormat("preview", (ALWAYS_BYTES,), "uint8", shuffle=None)
    chunks = {empty.chunk_key: bytes(ALWAYS_BYTES // 1024), ballast.chunk_key: bytes(ALWAYS_BYTES)}
    with pytest.raises(InvalidInputError, match=r"support would take 33554433 bytes.*bomb"):
        check_arrays([empty, ballast], chunks)
    check_arrays([empty, ballast], chunks | {empty.chunk_key: bytes(ALWAYS_BYTES // 1024 + 1)})


@pytest.mark.parametrize("kept", [0, 1e-6, 1e-4])
def test_a_recording_with_hardly_an_entry_is_kept(kept: float) -> None:
    sparse = vector(shape=(50, 4, 128, 128), kept=kept)
    assert read_vector(write_vector(sparse)) == sparse
