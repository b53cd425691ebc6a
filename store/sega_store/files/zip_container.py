"""The container of every file: a canonical STORED zip.

Its bytes follow from its entries: fixed dates, no extra fields, no comments, entries back to back from byte 0, the
directory after them, nothing else. So a reader need not judge what a lenient zip library makes of a doubtful file: it
walks the entries and compares each header, and the directory, with what it would have written itself. That finds every
changed byte, prefix and trailing junk, duplicates, overlaps, compressed, encrypted and irregular entries.

References:
    APPNOTE.TXT, .ZIP File Format Specification, PKWARE, version 6.3.10
"""

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sega_store.errors import InvalidInputError

MAX_ENTRIES = 16
MAX_ENTRY_BYTES = (1 << 32) - 2  # the directory's fields have 32 bits, and all ones means Zip64

LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
LOCAL_MAGIC, _CENTRAL_MAGIC, _END_MAGIC = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_VERSION, _MADE_ON_UNIX = 20, 3 << 8 | 20
_COMMON = (0, 0, 0, 1 << 5 | 1)  # flags, method STORED, midnight, 1 January 1980
_REGULAR_FILE = 0o100644 << 16


@dataclass(frozen=True)
class ZipEntry:
    """An entry, which follows from its name, its content and where it is: the headers are those of a canonical zip."""

    name: bytes
    crc: int
    size: int
    offset: int

    def local(self) -> bytes:
        """The header before its content."""
        sizes = (self.crc, self.size, self.size, len(self.name), 0)
        return LOCAL.pack(LOCAL_MAGIC, _VERSION, *_COMMON, *sizes) + self.name

    def central(self) -> bytes:
        """Its line of the directory."""
        sizes = (self.crc, self.size, self.size, len(self.name), 0, 0, 0, 0, _REGULAR_FILE, self.offset)
        return _CENTRAL.pack(_CENTRAL_MAGIC, _MADE_ON_UNIX, _VERSION, *_COMMON, *sizes) + self.name


def pack(contents: Mapping[str, bytes]) -> bytes:
    """The file of the given entries, in their order.

    Raises:
        InvalidInputError: They are too large for a zip without 64-bit extensions.
    """
    if sum(map(len, contents.values())) > MAX_ENTRY_BYTES - (1 << 16):
        raise InvalidInputError("A file holds at most 4 GiB. Record with a higher keep_threshold or fewer steps.")
    parts: list[bytes] = []
    entries: list[ZipEntry] = []
    offset = 0
    for name, content in contents.items():
        entry = ZipEntry(name.encode("ascii"), zlib.crc32(content), len(content), offset)
        entries.append(entry)
        parts += [entry.local(), content]
        offset += len(parts[-2]) + len(content)
    return b"".join([*parts, directory(entries, offset)])


def unpack(data: bytes) -> dict[str, memoryview]:
    """The entries of a file, without copying them.

    Raises:
        InvalidInputError: The file isn't, to the byte, what `pack` writes for its entries.
    """
    view = memoryview(data)
    contents: dict[str, memoryview] = {}
    entries: list[ZipEntry] = []
    position = 0
    while view[position : position + 4] == LOCAL_MAGIC:
        start, entry, content = _first_entry(view, position)
        name = entry.name.decode("latin-1")
        if name in contents:
            raise InvalidInputError(f"its entry {name!r} is there twice")
        if len(entries) == MAX_ENTRIES:
            raise InvalidInputError(f"it has more than {MAX_ENTRIES} entries")
        contents[name] = content
        entries.append(entry)
        position = start + entry.size
    if view[position:] != directory(entries, position):
        raise InvalidInputError("its zip directory is damaged, missing, or not in the canonical form")
    return contents


def first_entry_end(data: bytes) -> int:
    """How many bytes of a file its first entry takes, from the file's first 30 bytes."""
    if len(data) < LOCAL.size or data[:4] != LOCAL_MAGIC:
        raise InvalidInputError("it isn't a zip file")
    *_, size, name_size, _ = LOCAL.unpack(data[: LOCAL.size])
    return LOCAL.size + int(name_size) + int(size)


def first_entry(data: bytes) -> tuple[str, bytes]:
    """The name and content of a file's first entry, from the file's beginning."""
    _, entry, content = _first_entry(memoryview(data), 0)
    return entry.name.decode("latin-1"), bytes(content)


def _first_entry(view: memoryview, position: int) -> tuple[int, ZipEntry, memoryview]:
    """The entry at a position, and where its content starts."""
    header = view[position : position + LOCAL.size]
    if len(header) < LOCAL.size:
        raise InvalidInputError("it is cut off")
    *_, size, name_size, _ = LOCAL.unpack(header)
    start = position + LOCAL.size + name_size
    name = bytes(view[position + LOCAL.size : start])
    content = view[start : start + size]
    entry = ZipEntry(name, zlib.crc32(content), len(content), position)
    if view[position:start] != entry.local():
        raise InvalidInputError(f"its entry {name.decode('latin-1')!r} is damaged, cut off, or not a plain STORED one")
    return start, entry, content


def directory(entries: Sequence[ZipEntry], offset: int) -> bytes:
    """The directory and the end record, which stand at the given offset."""
    central = b"".join(entry.central() for entry in entries)
    count = len(entries)
    return central + _END.pack(_END_MAGIC, 0, 0, count, count, len(central), offset, 0)
