"""Where a library's files are: what a `Library` needs of a place, and the place that is a folder.

Files are called by their keys (see `sega_store.places.layout`). The other kind of place is an object store
(`sega_store.places.bucket`), whose library is imported only for a URL.
"""

import os
import secrets
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from sega_store.errors import InvalidInputError, LibraryError, VectorFileError
from sega_store.files.header import HEAD_BYTES
from sega_store.places import disk, layout, removal
from sega_store.places.disk import CheckSize
from sega_store.places.folder_index import refresh
from sega_store.records.entry import Entry

if TYPE_CHECKING:
    from sega_store.library.catalogue import Catalogue

Changes = Mapping[str, Entry | EllipsisType | None]  # what became of ids: a row, None: removed, ...: held already

_T = TypeVar("_T")


class Storage(Protocol):
    """The files of a library. Every method raises `LibraryError` with a remedy if the place can't be used."""

    @property
    def where(self) -> str:
        """The path or URL, for people."""

    @property
    def identity(self) -> str:
        """One text for each place."""

    def locate(self, key: str) -> Path | str:
        """The path or URL of a file."""

    def read(self, key: str, check_size: CheckSize) -> bytes:
        """A file's bytes; an `InvalidInputError` if it is missing, no plain file, or of a wrong size."""

    def beginning(self, key: str, limit: int) -> tuple[bytes, int]:
        """So many bytes of a file's beginning, and its size; errors as of `read`."""

    def load(self, key: str, check_size: CheckSize, parse: Callable[[bytes], _T]) -> _T:
        """What `parse` makes of a file, perhaps of a local copy; what is wrong with it is a `VectorFileError`."""

    def exists(self, key: str) -> bool:
        """Whether there is anything of that name."""

    def publish(self, key: str, data: bytes) -> bool:
        """Makes a file appear, whole and durable, unless it is there already; whether it is new."""

    def replace(self, key: str, data: bytes) -> None:
        """Writes a file that may be there already: a reader sees the old bytes or the new ones."""

    def remove(self, catalogue: "Catalogue", entry: Entry) -> None:
        """Removes a vector, what is said of it, and its noise if no other vector needs it."""

    def clean(self, catalogue: "Catalogue") -> None:
        """Removes what killed processes left, if it is old enough."""

    def take_out(self, key: str, folder: Path, keep: bool) -> Path:
        """Moves a file to a folder on disk, over nothing that is there, or copies it to `keep` it; where it is now."""

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys of a library's files that begin with a kind and a slash, and perhaps more; in their order."""

    def refresh(self, db: sqlite3.Connection, step: Callable[[], object]) -> None:
        """Brings a catalogue up to date; `step` is called after every vector that is new to it."""

    def announce(self, catalogue: "Catalogue", changes: Changes) -> None:
        """Lets all catalogues know what became of vectors, where they can't see it by themselves."""

    def rebuild(self, catalogue: "Catalogue", step: Callable[[], object]) -> None:
        """Builds the catalogue again from the files; `step` is called after every vector."""


def storage_at(place: str | os.PathLike[str]) -> Storage:
    """The storage at a path, or at a URL, which is what has `://` in it.

    Raises:
        LibraryError: There is no such kind of place.
    """
    text = os.fspath(place)
    if "://" not in text:
        return Folder(Path(text).expanduser().absolute())
    if text.startswith("file://"):
        return Folder(Path(unquote(urlsplit(text).path)))
    from sega_store.places.bucket import Objects

    return Objects(text.rstrip("/"))


class Folder:
    """A library's folder; a missing one is an empty library.

    Raises:
        LibraryError: There is something else than a folder at the path.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        with disk.library_errors(f"Opening {root}"):
            if root.exists() and not root.is_dir():
                raise LibraryError(f"A library is a folder, and {root} is none. Remove the file or use another path.")

    @property
    def where(self) -> str:
        """The path."""
        return str(self.root)

    @property
    def identity(self) -> str:
        """The path without symbolic links."""
        return str(self.root.resolve())

    def locate(self, key: str) -> Path:
        """The path of a file."""
        return self.root / key

    def read(self, key: str, check_size: CheckSize) -> bytes:
        """A regular file's bytes."""
        head, size = self.beginning(key, HEAD_BYTES)
        check_size(head, size)
        return head if len(head) == size else disk.read_regular(self.root / key, size)[0]

    def beginning(self, key: str, limit: int) -> tuple[bytes, int]:
        """So many bytes of a regular file, and its size."""
        return disk.read_regular(self.root / key, sys.maxsize, limit)

    def load(self, key: str, check_size: CheckSize, parse: Callable[[bytes], _T]) -> _T:
        """Reads and parses; a noise that a killed removal has set aside is put back first."""
        self.exists(key)
        return parsed(self, key, lambda: parse(self.read(key, check_size)))

    def exists(self, key: str) -> bool:
        """Whether there is anything of that name; a noise that a killed removal has set aside is put back first."""
        path = self.root / key
        if os.path.lexists(path):
            return True
        return removal.recover(path) if key.startswith(f"{layout.NOISE}/") else disk.exists(path)

    def publish(self, key: str, data: bytes) -> bool:
        """By a hard link; see `sega_store.places.disk`."""
        return disk.publish(self.root / key, data)

    def replace(self, key: str, data: bytes) -> None:
        """By a rename; see `sega_store.places.disk`."""
        disk.replace(self.root / key, data)

    def remove(self, catalogue: "Catalogue", entry: Entry) -> None:
        """See `sega_store.places.removal`."""
        with disk.library_errors(f"Removing {entry.id}"):
            removal.remove(self.root, catalogue, entry.id, entry.noise)

    def clean(self, catalogue: "Catalogue") -> None:
        """See `sega_store.places.leftovers`."""
        from sega_store.places.leftovers import clean

        clean(self.root, catalogue)

    def take_out(self, key: str, folder: Path, keep: bool) -> Path:
        """Moves whatever is there, be it a regular file or not."""
        path = self.root / key
        with disk.library_errors(f"Moving {path} to {folder}"):
            aside = free_name(folder, path.name)
            if keep and path.is_file():
                shutil.copyfile(path, aside)
            else:
                shutil.move(path, aside)
                disk.sync_folder(path.parent)
        return aside

    def keys(self, prefix: str) -> Iterator[str]:
        """By listing the fan-out folders that the prefix leads to."""
        kind, _, start = prefix.partition("/")
        for name in sorted(folder.name for folder in layout.folders(self.root, kind)):
            if f"{name}/".startswith(start[:3]):
                found = (f"{kind}/{name}/{file}" for file in layout.names_in(self.root / kind / name, kind))
                yield from (key for key in sorted(found) if key.startswith(prefix))

    def refresh(self, db: sqlite3.Connection, step: Callable[[], object]) -> None:
        """Reads the folders that have changed."""
        refresh(db, self.root.resolve(), step)

    def announce(self, catalogue: "Catalogue", changes: Changes) -> None:
        """Nothing: every catalogue sees the folders themselves."""

    def rebuild(self, catalogue: "Catalogue", step: Callable[[], object]) -> None:
        """Throws the local catalogue away, and lists all folders."""
        catalogue.discard()
        catalogue.refresh(step)


def parsed(storage: Storage, key: str, read: Callable[[], _T]) -> _T:
    """Calls `read`; what is wrong with the file is said under its path or URL."""
    try:
        return read()
    except VectorFileError as error:
        raise VectorFileError(str(storage.locate(key)), error.problem) from None
    except InvalidInputError as error:
        raise VectorFileError(str(storage.locate(key)), str(error)) from None


def free_name(folder: Path, name: str) -> Path:
    """A path in a folder, which is made if needed, where there is nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    return path.with_name(f"{secrets.token_hex(4)}.{name}") if os.path.lexists(path) else path
