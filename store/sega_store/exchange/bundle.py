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
from sega_store.files.regular_file import file_errors
from sega_store.files.vector_file import MAX_BYTES, read_noise, read_vector
from sega_store.files.zip_container import MAX_ENTRY_BYTES, ZipEntry, directory, walk
from sega_store.places import layout
from sega_store.records.annotation import MAX_ANNOTATION_BYTES, NOTHING_SAID, parse_annotation
from sega_store.records.json_record import MAX_JSON_BYTES
from sega_store.records.noise import InitialNoise

MAX_BUNDLE_ENTRIES = (1 << 16) - 2  # the end record's fields have 16 bits, and all ones means Zip64
MAX_NAME = 256  # letters of a name that an error quotes
MAX_FILE_BYTES = {
    layout.VECTORS: MAX_BYTES + 2 * MAX_JSON_BYTES,
    layout.NOISE: MAX_BYTES + 2 * MAX_JSON_BYTES,
    layout.ANNOTATIONS: MAX_ANNOTATION_BYTES,
}
_REMEDY = (
    "Only bundles are imported, zips as sega-vec export writes them: pull a library's folder or URL (sega-vec pull). "
    "What somebody has packed again, unzip (unzip FILE -d FOLDER), and pull the folder that vectors/ is in"
)
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
            raise InvalidInputError(met)
        with path.open("rb") as file:
            yield from _parcels(path, file)
    except InvalidInputError as error:
        raise VectorFileError(str(path), f"{error}. {_REMEDY}") from None
    except OSError as error:
        raise VectorFileError(str(path), f"it can't be read: {error.strerror or error}") from None


def _parcels(path: Path, file: BinaryIO) -> Iterator[Parcel]:
    """The parcels of an open bundle, in the order of their ids; each file is read when its turn comes.

    Raises:
        VectorFileError: A file is damaged or misnamed.
    """
    entries = walk(file, MAX_BUNDLE_ENTRIES, _check_entry)

    def read(key: str, parse: Callable[[bytes], _T], key_of: Callable[[_T], str] | None = None) -> _T:
        with file_errors(f"{path}/{key}"):
            file.seek(entries[key].start)
            value = parse(file.read(entries[key].size))
            if key_of is not None and key != (due := key_of(value)):
                raise InvalidInputError(f"its name isn't its hash, it should be {due}")
            return value

    noise: InitialNoise | None = None
    for key in sorted(key for key in entries if layout.kind_of(key) == layout.VECTORS):
        vector = read(key, read_vector, lambda vector: layout.vector_key(vector.id))
        sha256 = vector.provenance.noise.sha256
        if layout.noise_key(sha256) not in entries:
            noise = None
        elif noise is None or noise.sha256 != sha256:  # vectors that share a noise often follow each other
            noise = read(layout.noise_key(sha256), read_noise, lambda noise: layout.noise_key(noise.sha256))
        said = layout.annotation_key(vector.id)
        annotation = read(said, parse_annotation) if said in entries else NOTHING_SAID
        yield Parcel(vector, noise, annotation)


def _check_entry(name: str, size: int) -> None:
    kind = layout.kind_of(name)
    if kind is None:
        raise InvalidInputError(f"its entry {name[:MAX_NAME]!r} isn't named as a file of a library")
    if size > MAX_FILE_BYTES[kind]:
        raise InvalidInputError(f"its entry {name!r} has {size} bytes, more than {MAX_FILE_BYTES[kind]}")
