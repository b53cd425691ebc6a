import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import pytest

from sega_store import InvalidInputError
from sega_store.container import MAX_ENTRIES, first_entry, first_entry_end, pack, unpack

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


def by_zipfile(change: Callable[[zipfile.ZipFile], None]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        change(archive)
    return buffer.getvalue()


def add_link(archive: zipfile.ZipFile) -> None:
    link = zipfile.ZipInfo("link", (1980, 1, 1, 0, 0, 0))
    link.create_system, link.external_attr = 3, 0o120777 << 16
    archive.writestr(link, "/etc/passwd")


def overlapping() -> bytes:
    """Two directory entries for the same bytes."""
    data = bytearray(pack({"a": b"x"}))
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    central = data[start:end]
    data[end:end] = central
    struct.pack_into("<2HI", data, len(data) - 14, 2, 2, 2 * len(central))
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        b"not a zip",
        b"junk" + pack(CONTENTS),
        pack(CONTENTS) + b"junk",
        pack(CONTENTS) + pack(CONTENTS),
        pack(CONTENTS).replace(b"empty", b"a/c/0"),
        by_zipfile(lambda archive: archive.writestr("a", b"x" * 1000, zipfile.ZIP_DEFLATED)),
        by_zipfile(lambda archive: archive.writestr("a", b"x")),
        by_zipfile(add_link),
        by_zipfile(lambda archive: archive.mkdir("folder")),
        overlapping(),
        pack({str(number): b"" for number in range(MAX_ENTRIES + 1)}),
    ],
)
def test_what_pack_would_not_write_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInputError):
        unpack(data)


def test_duplicates_with_right_checksums_are_refused() -> None:
    first, second = pack({"a": b"x"}), pack({"a": b"y"})
    local = first[: first.index(b"PK\x01\x02")]
    with pytest.raises(InvalidInputError, match="twice"):
        unpack(local + second)


def test_checksums_are_those_of_zip() -> None:
    assert struct.unpack_from("<I", pack({"a": b"x"}), 14) == (zlib.crc32(b"x"),)
