"""A bundle: vectors with their noise and annotations in one `.zip`, to be sent to somebody.

It is a library in a canonical STORED zip (see `sega_store.files.zip_container`): its entries are the library's files
under their names there, in any order, and its bytes follow from them. So no reader has to judge a doubtful zip: nothing
is extracted, nothing is decompressed, a name that isn't one of a library's files is refused, and so is whatever `write`
would not have written. Unzipped, it is a library.
"""

import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from sega_store.errors import InvalidInputError, VectorFileError
from sega_store.exchange.parcel import Parcel
from sega_store.files.vector_file import MAX_BYTES, read_noise, read_vector
from sega_store.files.zip_container import LOCAL, LOCAL_MAGIC, MAX_ENTRY_BYTES, ZipEntry, directory
from sega_store.places import layout
from sega_store.records.annotation import MAX_ANNOTATION_BYTES, NOTHING_SAID, parse_annotation
from sega_store.records.json_record import MAX_JSON_BYTES
from sega_store.records.noise import InitialNoise

MAX_BUNDLE_ENTRIES = (1 << 16) - 2  # the end record's fields have 16 bits, and all ones means Zip64
MAX_NAME_BYTES = 256
MAX_FILE_BYTES = {
    layout.VECTORS: MAX_BYTES + 2 * MAX_JSON_BYTES,
    layout.NOISE: MAX_BYTES + 2 * MAX_JSON_BYTES,
    layout.ANNOTATIONS: MAX_ANNOTATION_BYTES,
}
_REMEDY = "Only bundles are imported, zips as sega-vec export writes them: pull a library's folder or URL"
_BLOCK = 1 << 20
_ROOM = MAX_BUNDLE_ENTRIES * 512  # more than the directory of so many entries takes

_T = TypeVar("_T")


def write(path: Path, parcels: Iterable[Parcel]) -> None:
    """Writes a bundle.

    Raises:
        InvalidInputError: It would be larger than a zip without 64-bit extensions can be.
    """
    entries: dict[str, ZipEntry] = {}
    offset = 0
    with path.open("xb") as file:
        for name, data in (each for parcel in parcels for each in parcel.files()):
            if name in entries:  # a noise that several vectors share
                continue
            entry = ZipEntry(name.encode("ascii"), zlib.crc32(data), len(data), offset)
            if len(entries) == MAX_BUNDLE_ENTRIES or offset + len(data) > MAX_ENTRY_BYTES - _ROOM:
                raise InvalidInputError(
                    f"A bundle holds at most {MAX_BUNDLE_ENTRIES} files and nearly 4 GiB. "
                    "Export fewer vectors, or a folder."
                )
            entries[name] = entry
            offset += file.write(entry.local()) + file.write(data)
        file.write(directory(list(entries.values()), offset))
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> Iterator[Parcel]:
    """The vectors of a bundle, checked, one after the other; no more than one is in memory.

    Raises:
        VectorFileError: Anything is wrong with it.
    """
    try:
        if not path.is_file():
            met = "it is no plain file" if path.exists() else "there is no file of that name"
            raise InvalidInputError(f"{met}. {_REMEDY}")
        with path.open("rb") as file:
            yield from _Files(path, file).parcels()
    except InvalidInputError as error:
        raise VectorFileError(str(path), str(error)) from None
    except OSError as error:
        raise VectorFileError(str(path), f"it can't be read: {error.strerror or error}") from None


class _Files:
    """The files of an open bundle, each read when its turn comes.

    Args:
        path: Where the bundle is, for messages.
        file: It.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file, self._entries = path, file, _index(file)

    def parcels(self) -> Iterator[Parcel]:
        """Its parcels, in the order of their ids; a file that is damaged or misnamed is a `VectorFileError`."""
        noise: InitialNoise | None = None
        for key in sorted(key for key in self._entries if layout.kind_of(key) == layout.VECTORS):
            vector = self._read(key, read_vector)
            self._check_key(key, layout.vector_key(vector.id))
            sha256 = vector.provenance.noise.sha256
            noise_key = layout.noise_key(sha256)
            if noise_key not in self._entries:
                noise = None
            elif noise is None or noise.sha256 != sha256:  # vectors that share a noise often follow each other
                noise = self._read(noise_key, read_noise)
                self._check_key(noise_key, layout.noise_key(noise.sha256))
            said = layout.annotation_key(vector.id)
            annotation = self._read(said, parse_annotation) if said in self._entries else NOTHING_SAID
            yield Parcel(vector, noise, annotation)

    def _read(self, key: str, parse: Callable[[bytes], _T]) -> _T:
        """Reads a file; what is wrong with it is said under its name."""
        entry = self._entries[key]
        self._file.seek(entry.offset + len(entry.local()))
        try:
            return parse(self._file.read(entry.size))
        except VectorFileError as error:
            raise VectorFileError(f"{self._path}/{key}", error.problem) from None
        except InvalidInputError as error:
            raise VectorFileError(f"{self._path}/{key}", str(error)) from None

    def _check_key(self, key: str, due: str) -> None:
        if key != due:
            raise VectorFileError(f"{self._path}/{key}", f"its name isn't its hash, it should be {due}")


def _index(file: BinaryIO) -> dict[str, ZipEntry]:
    """Walks the whole file, a block at a time, and compares it with what `write` makes of its entries."""
    entries: dict[str, ZipEntry] = {}
    position = 0
    while (header := file.read(LOCAL.size))[:4] == LOCAL_MAGIC and len(header) == LOCAL.size:
        *_, size, name_size, _ = LOCAL.unpack(header)
        if name_size > MAX_NAME_BYTES:
            raise InvalidInputError(f"the name of an entry has {name_size} bytes, more than {MAX_NAME_BYTES}")
        raw = file.read(name_size)
        name = raw.decode("latin-1")
        kind = layout.kind_of(name)
        if kind is None:
            raise InvalidInputError(f"its entry {name!r} isn't named as a file of a library")
        if name in entries:
            raise InvalidInputError(f"its entry {name!r} is there twice")
        if size > MAX_FILE_BYTES[kind]:
            raise InvalidInputError(f"its entry {name!r} has {size} bytes, more than {MAX_FILE_BYTES[kind]}")
        entry = ZipEntry(raw, _crc(file, size), size, position)
        if header + raw != entry.local():
            raise InvalidInputError(
                f"its entry {name!r} is damaged, cut off, or not a plain STORED one. If somebody has packed it again, "
                "unzip it and pull the folder"
            )
        entries[name] = entry
        position += len(header) + len(raw) + size
        if len(entries) > MAX_BUNDLE_ENTRIES:
            raise InvalidInputError(f"it has more than {MAX_BUNDLE_ENTRIES} entries")
    due = directory(list(entries.values()), position)
    if header + file.read(len(due)) != due or file.read(1):
        raise InvalidInputError(f"its zip directory is damaged, missing, or not in the canonical form. {_REMEDY}")
    return entries


def _crc(file: BinaryIO, size: int) -> int:
    crc = 0
    while size and (block := file.read(min(size, _BLOCK))):
        crc = zlib.crc32(block, crc)
        size -= len(block)
    return crc
