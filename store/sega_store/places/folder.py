"""A library's files in a folder."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from sega_store.errors import LibraryError
from sega_store.files.regular_file import CheckSize, file_errors, read_beginning, read_regular
from sega_store.places import disk, layout, removal

_T = TypeVar("_T")


class Folder:
    """A library's folder; a missing one is an empty library.

    Raises:
        LibraryError: There is something else than a folder at the path.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.where = root, str(root)
        with disk.library_errors(f"Opening {root}"):
            if root.exists() and not root.is_dir():
                raise LibraryError(f"A library is a folder, and {root} is none. Remove the file or use another path.")

    @property
    def identity(self) -> str:
        """The path without symbolic links."""
        return str(self.root.resolve())

    def locate(self, key: str) -> Path:
        """The path of a file."""
        return self.root / key

    def read(self, key: str, check_size: CheckSize) -> bytes:
        """A regular file's bytes."""
        return read_regular(self.root / key, check_size)

    def beginning(self, key: str, limit: int) -> tuple[bytes, int]:
        """So many bytes of a regular file, and its size."""
        return read_beginning(self.root / key, limit)

    def load(self, key: str, check_size: CheckSize, parse: Callable[[bytes], _T]) -> _T:
        """Reads and parses; a noise that a killed removal has set aside is put back first."""
        self.exists(key)
        with file_errors(self.locate(key)):
            return parse(self.read(key, check_size))

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

    def take_out(self, key: str, folder: Path, keep: bool) -> Path:
        """Moves whatever is there, be it a regular file or not."""
        path = self.root / key
        with disk.library_errors(f"Moving {path} to {folder}"):
            aside = disk.free_name(folder, path.name)
            if keep and path.is_file():
                shutil.copyfile(path, aside)
            else:
                shutil.move(path, aside)
                disk.sync_folder(path.parent)
        return aside

    def keys(self, prefix: str) -> Iterator[str]:
        """By listing the fan-out folders that the prefix leads to."""
        return layout.keys(self.root, prefix)
