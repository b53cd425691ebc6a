import io
import struct
import zipfile
import zlib

import pytest

from sega_store import InvalidInputError
from sega_store.files.zip_container import first_entry, first_entry_end, pack, unpack

CONTENTS = {"zarr.json": b"{}", "a/c/0": bytes(range(256)), "empty": b""}


def test_zip_libraries_read_it() -> None:
    with zipfile.ZipFile(io.BytesIO(pack(CONTENTS))) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == CONTENTS
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert (info.extra, info.comment, info.flag_bits) == (b"", b"", 0)
            assert info.external_attr >> 16 == 0o100644


def test_entries_both_ways() -> None:
    data = pack(CONTENTS)
    assert {name: bytes(content) for name, content in unpack(data).items()} == CONTENTS
    assert list(unpack(data)) == list(CONTENTS)
    assert first_entry(data[: first_entry_end(data[:30])]) == ("zarr.json", b"{}")


def test_every_flipped_bit_is_found() -> None:
    data = pack(CONTENTS)
    for position in range(len(data)):
        for bit in (1, 128):
            damaged = bytearray(data)
            damaged[position] ^= bit
            with pytest.raises(InvalidInputError):
                unpack(bytes(damaged))


def test_every_cut_is_found() -> None:
    data = pack(CONTENTS)
    for length in range(len(data)):
        with pytest.raises(InvalidInputError):
            unpack(data[:length])


def test_checksums_are_those_of_zip() -> None:
    assert struct.unpack_from("<I", pack({"a": b"x"}), 14) == (zlib.crc32(b"x"),)
