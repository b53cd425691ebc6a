"""The container of every file: a canonical STORED zip.

Its bytes follow from its entries: fixed dates, no extra fields, no comments, entries back to back from byte 0, the
directory after them, nothing else. So a reader need not judge what a lenient zip library makes of a doubtful file: it
walks the entries and compares each header, and the directory, with what it would have written itself. That finds every
changed byte, prefix and trailing junk, duplicates, overlaps, compressed, encrypted and irregular entries.

References:
    APPNOTE.TXT, .ZIP File Format Specification, PKWARE, version 6.3.10
"""

import io
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

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
_BLOCK = 1 << 20


@dataclass(frozen=True)
class ZipEntry:
    """An entry, which follows from its name, its content and where it is: the headers are those of a canonical zip."""

    name: bytes
    crc: int
    size: int
    offset: int

    @property
    def start(self) -> int:
        """Where its content starts."""
        return self.offset + LOCAL.size + len(self.name)

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
    entries = walk(io.BytesIO(data), MAX_ENTRIES)
    return {name: view[entry.start : entry.start + entry.size] for name, entry in entries.items()}


def walk(
    file: BinaryIO, max_entries: int, check: Callable[[str, int], None] = lambda name, size: None
) -> dict[str, ZipEntry]:
    """The entries of an open file, which is compared, a block at a time, with what a writer makes of them.

    Args:
        file: At its beginning; it ends at its end.
        max_entries: Refuse a file with more.
        check: Raises `InvalidInputError` for an entry of a wrong name or size, before its content is read.

    Raises:
        InvalidInputError: The file isn't in the canonical form.
    """
    entries: dict[str, ZipEntry] = {}
    position = 0
    while (header := file.read(LOCAL.size))[:4] == LOCAL_MAGIC and len(header) == LOCAL.size:
        name, entry = _entry(file, header, position, check)
        if name in entries:
            raise InvalidInputError(f"its entry {name!r} is there twice")
        if len(entries) == max_entries:
            raise InvalidInputError(f"it has more than {max_entries} entries")
        entries[name] = entry
        position = entry.start + entry.size
    due = directory(list(entries.values()), position)
    if header + file.read(len(due)) != due or file.read(1):
        raise InvalidInputError("its zip directory is damaged, missing, or not in the canonical form")
    return entries


def first_entry_end(data: bytes) -> int:
    """How many bytes of a file its first entry takes, from the file's first 30 bytes."""
    if len(data) < LOCAL.size or data[:4] != LOCAL_MAGIC:
        raise InvalidInputError("it isn't a zip file")
    *_, size, name_size, _ = LOCAL.unpack(data[: LOCAL.size])
    return LOCAL.size + int(name_size) + int(size)


def first_entry(data: bytes) -> tuple[str, bytes]:
    """The name and content of a file's first entry, from the file's beginning."""
    file = io.BytesIO(data)
    name, entry = _entry(file, file.read(LOCAL.size), 0)
    return name, data[entry.start : entry.start + entry.size]


def _entry(
    file: BinaryIO, header: bytes, position: int, check: Callable[[str, int], None] = lambda name, size: None
) -> tuple[str, ZipEntry]:
    """The entry whose header, without its name, has just been read."""
    *_, size, name_size, _ = LOCAL.unpack(header)
    raw = file.read(name_size)
    name = raw.decode("latin-1")
    check(name, size)
    crc = 0
    for start in range(0, size, _BLOCK):
        crc = zlib.crc32(file.read(min(_BLOCK, size - start)), crc)
    entry = ZipEntry(raw, crc, size, position)
    if header + raw != entry.local():
        raise InvalidInputError(f"its entry {name!r} is damaged, cut off, or not a plain STORED one")
    return name, entry


def directory(entries: Sequence[ZipEntry], offset: int) -> bytes:
    """The directory and the end record, which stand at the given offset."""
    central = b"".join(entry.central() for entry in entries)
    count = len(entries)
    return central + _END.pack(_END_MAGIC, 0, 0, count, count, len(central), offset, 0)
