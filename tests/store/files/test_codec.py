"""Arrays as chunks: what other programs read of them, and what is refused."""

import json
import struct
from typing import Any

import google_crc32c
import numpy as np
import pytest
from numcodecs import blosc, zstd

from sega_store import InvalidInputError, VectorFileError, read_vector, write_vector
from sega_store.files.codec import ALWAYS_BYTES, ArrayFormat, _zstd_end, check_arrays, check_expansion
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
    found = kept.decode({key: memoryview(data) for key, data in kept.encode(array).items()})
    assert np.array_equal(found, np.packbits(order) if array.dtype == bool else array)
    if name != "support":
        with pytest.raises(ValueError, match="read-only"):
            found[:1] = 0


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


@pytest.mark.parametrize("last", [0, 1], ids=["two blocks", "one block"])
def test_a_zstd_frame_ends_after_its_last_block(last: int) -> None:
    """For all frame headers of RFC 8878, 3.1.1.1.1."""
    for descriptor in range(256):
        single, dictionary, content = descriptor >> 5 & 1, (0, 1, 2, 4)[descriptor & 3], descriptor >> 6
        size = (1 if single else 0, 2, 4, 8)[content]
        header = b"\x28\xb5\x2f\xfd" + bytes([descriptor]) + b"\xff" * ((1 - single) + dictionary + size)
        raw = (last | 3 << 3).to_bytes(3, "little") + b"\xff" * 3
        repeated = (1 | 1 << 1 | 1000 << 3).to_bytes(3, "little") + b"\xff"
        frame = header + raw + (b"" if last else repeated) + b"\xff" * (4 if descriptor & 4 else 0)
        for before in (b"", b"junk"):
            data = before + frame + b"\xff" * 9
            assert _zstd_end(data, len(before), len(data)) == len(before) + len(frame)


@pytest.mark.parametrize(
    "frame",
    [
        b"\x28\xb5\x2f\xfe\x20\x03\x19\x00\x00abc",  # another magic
        b"\x28\xb5\x2f\xfd\x20",
        b"\x28\xb5\x2f\xfd\x20\x03",
        b"\x28\xb5\x2f\xfd\x20\x03\x19\x00",
        b"\x28\xb5\x2f\xfd\x20\x03\x18\x00\x00abc",  # the last block is missing
        b"\x28\xb5\x2f\xfd\x20\x03\x00\x00\x00\x19\x00\x00abc",  # an empty block before the last
    ],
)
def test_what_is_no_whole_zstd_frame_has_no_end(frame: bytes) -> None:
    assert _zstd_end(frame, 0, len(frame)) == -1
    assert _zstd_end(b"\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00", 0, 9) == 9, "an empty last block is fine"


@pytest.mark.parametrize(("limit", "stored"), [(ALWAYS_BYTES, 0), (ALWAYS_BYTES, 32768), (1024 * 32769, 32769)])
def test_how_much_a_file_may_expand(limit: int, stored: int) -> None:
    check_expansion(limit, stored)
    with pytest.raises(InvalidInputError, match=f"Arrays of {limit + 1} bytes in a file of {stored}: .* bomb"):
        check_expansion(limit + 1, stored)


def test_metadata_are_those_of_the_zarr_specification() -> None:
    support = ArrayFormat("support", (2, 3, 0), "bool", first_axis_last=True)
    assert json.loads(support.metadata()) == {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [2, 3, 0],
        "data_type": "bool",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 3, 1]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": False,
        "codecs": [
            {"name": "transpose", "configuration": {"order": [1, 2, 0]}},
            {"name": "bytes"},
            {
                "name": "blosc",
                "configuration": {"cname": "zstd", "clevel": 5, "shuffle": "shuffle", "typesize": 1, "blocksize": 0},
            },
            {"name": "crc32c"},
        ],
    }
    preview = json.loads(ArrayFormat("preview", (7,), "uint8", shuffle=None).metadata())
    assert (preview["codecs"], preview["fill_value"]) == ([{"name": "bytes"}, {"name": "crc32c"}], 0)
    values = json.loads(ArrayFormat("values", (7,), "float16").metadata())
    assert values["codecs"][0] == {"name": "bytes", "configuration": {"endian": "little"}}
    assert (values["codecs"][1]["configuration"]["typesize"], values["fill_value"]) == (2, 0.0)


def test_blocks_of_shuffled_bits_are_of_a_multiple_of_8_elements() -> None:
    assert ArrayFormat("a", (5001,), "float32").bitshuffled(9).blocksize == 20_000
    assert ArrayFormat("a", (262_145,), "float32").bitshuffled(9).blocksize == 1 << 20
    made = ArrayFormat("a", (17,), "bool", first_axis_last=True).bitshuffled(8)
    assert made == ArrayFormat("a", (17,), "bool", "bitshuffle", 8, 16, True)


def test_an_array_without_elements_has_no_chunk() -> None:
    kept = ArrayFormat("a", (2, 0), "float16")
    contents = kept.encode(np.zeros((2, 0), np.float16))
    assert list(contents) == kept.keys == ["a/zarr.json"]
    found = kept.decode({key: memoryview(data) for key, data in contents.items()})
    assert found.shape == (2, 0)
    assert found.dtype == np.float16
    assert ArrayFormat("a", (2, 1), "float16").keys == ["a/zarr.json", "a/c/0/0"]


def blosc_header(nbytes: int, cbytes: int, *changes: tuple[int, int], flags: int = 4 << 5 | 2) -> bytes:
    header = [2, 1, flags, 1, nbytes, nbytes, cbytes]
    for place, value in changes:
        header[place] = value
    return struct.pack("<4B3I", *header)


@pytest.mark.parametrize(
    ("shape", "chunk", "message"),
    [
        ((3,), b"", "too short for a Blosc chunk"),
        ((3,), blosc_header(3, 15)[:15], "too short for a Blosc chunk"),
        ((3,), blosc_header(3, 16), "blocks are out of place"),
        *(((3,), blosc_header(3, 19, change) + b"\0\1\1", "has the Blosc header") for change in (
            (0, 3), (2, 3 << 5 | 2), (3, 2), (4, 4), (6, 20),
        )),
        ((3,), blosc_header(3, 19) + b"\0\1\2", "bytes other than 0 and 1"),
        (((1 << 31) - 17,), blosc_header(3, 19) + b"\0\1\1", "has the Blosc header"),
        (((1 << 31) - 16,), blosc_header(3, 19) + b"\0\1\1", "would have 2147483632 bytes, Blosc holds 2147483631"),
    ],
)  # fmt: skip
def test_a_chunk_that_is_not_the_expected_one_is_refused(shape: tuple[int, ...], chunk: bytes, message: str) -> None:
    kept = ArrayFormat("a", shape, "bool")
    contents = {kept.metadata_key: memoryview(kept.metadata()), kept.chunk_key: memoryview(rechecked(chunk))}
    with pytest.raises(InvalidInputError, match=message):
        kept.decode(contents)


def test_a_plain_chunk_has_the_expected_size_and_its_own_metadata() -> None:
    kept = ArrayFormat("a", (3,), "uint8", shuffle=None)
    contents: dict[str, Any] = {kept.metadata_key: memoryview(kept.metadata())}
    assert kept.decode(contents | {kept.chunk_key: memoryview(rechecked(b"abc"))}).tolist() == [97, 98, 99]
    for data in (b"ab", b"abcd"):
        with pytest.raises(InvalidInputError, match=f"has {len(data)} bytes, expected 3"):
            kept.decode(contents | {kept.chunk_key: memoryview(rechecked(data))})
    with pytest.raises(InvalidInputError, match=r"a/zarr\.json isn't the one of uint8 of shape \(3,\)"):
        kept.decode({kept.metadata_key: memoryview(kept.metadata() + b" ")})


def test_an_array_that_blosc_can_not_hold_is_refused() -> None:
    large = np.broadcast_to(np.uint8(0), (1 << 31,))
    with pytest.raises(InvalidInputError, match="a has 2147483648 bytes, a file's array at most 2147483631"):
        ArrayFormat("a", large.shape, "uint8")._compressed(large)


def test_a_block_that_is_no_zstd_is_refused() -> None:
    kept, array = FORMATS["values"]
    contents = kept.encode(array)
    chunk = bytearray(contents[kept.chunk_key][:-4])
    chunk[60:-60] = bytes(len(chunk) - 120)
    with pytest.raises(InvalidInputError, match="can't be decompressed: error"):
        kept.decode(
            {key: memoryview(data) for key, data in (contents | {kept.chunk_key: rechecked(bytes(chunk))}).items()}
        )


HALVES = [bytes(range(256)), bytes(reversed(range(256)))]
TABLE = 16 + 4 * len(HALVES)


def by_hand(parts: list[bytes], starts: list[int] | None = None, length: int | None = None) -> bytes:
    """A Blosc chunk of two blocks of 256 bytes that are kept as they are, or of what is given instead."""
    table, body = [], b""
    for part in parts:
        table.append(TABLE + len(body))
        body += struct.pack("<I", len(part) if length is None else length) + part
    chunk = struct.pack(f"<{len(HALVES)}I", *(table if starts is None else starts)) + body
    return struct.pack("<4B3I", 2, 1, 4 << 5 | 0x10, 1, 512, 256, 16 + len(chunk)) + chunk


def decoded(chunk: bytes) -> bytes:
    kept = ArrayFormat("a", (512,), "uint8", blocksize=256)
    contents = {kept.metadata_key: memoryview(kept.metadata()), kept.chunk_key: memoryview(rechecked(chunk))}
    return kept.decode(contents).tobytes()


def test_blocks_by_hand_are_read() -> None:
    assert decoded(by_hand(HALVES)) == b"".join(HALVES) == blosc.decompress(by_hand(HALVES))
    packed = [zstd.compress(half, 5) for half in HALVES]
    assert decoded(by_hand(packed)) == b"".join(HALVES)


@pytest.mark.parametrize(
    "chunk",
    [
        by_hand(HALVES)[:12] + struct.pack("<I", 16),
        by_hand(HALVES, starts=[TABLE + 1, TABLE + 260]),
        by_hand(HALVES, starts=[TABLE, TABLE + 261]),
        by_hand(HALVES[:1], starts=[TABLE, TABLE + 260]),
        by_hand([HALVES[0][:100]], starts=[TABLE, TABLE + 260], length=256),
        by_hand([HALVES[0], HALVES[1][:100]], length=256),
        by_hand([zstd.compress(half, 5) + b"x" for half in HALVES]),
    ],
    ids=[
        "a header alone",
        "a first start",
        "a second start",
        "a block less",
        "a cut block",
        "a cut end",
        "junk within",
    ],
)
def test_blocks_that_are_out_of_place_are_refused(chunk: bytes) -> None:
    with pytest.raises(InvalidInputError, match="out of place, or bytes belong to no block"):
        decoded(chunk)


def test_a_block_that_ends_beyond_the_chunk_is_not_handed_to_blosc() -> None:
    cut = by_hand([HALVES[0][:100]], starts=[TABLE, TABLE + 260], length=256)
    with pytest.raises(InvalidInputError, match="out of place"):
        next(ArrayFormat("a", (512,), "uint8", blocksize=256)._blocks(memoryview(cut)))


def test_blocks_that_would_take_much_memory_are_refused() -> None:
    kept = ArrayFormat("a", (4 << 20,), "uint8")
    chunk = struct.pack("<4B3I", 2, 1, 4 << 5 | 0x10, 1, 4 << 20, (1 << 20) + 1, 80) + bytes(64)
    contents = {kept.metadata_key: memoryview(kept.metadata()), kept.chunk_key: memoryview(rechecked(chunk))}
    with pytest.raises(InvalidInputError, match="its blocks have 1048577 bytes, at most 1048576 are allowed"):
        kept.decode(contents)
