"""Vectors with their noise and annotations as a folder, which is itself a library."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from sega_store.exchange.parcel import Parcel, parcels_in
from sega_store.places import disk, layout


def write(path: Path, parcels: Iterable[Parcel]) -> None:
    """Writes the files of a library.

    Raises:
        LibraryError: The disk is full, the folder isn't writable, and the like.
    """
    path.mkdir()
    for name, data in (each for parcel in parcels for each in parcel.files()):
        disk.publish(path / name, data)


def read(path: Path) -> Iterator[Parcel]:
    """The vectors of a library's folder, checked, one after the other.

    Raises:
        VectorFileError: Anything is wrong with one of them.
    """
    yield from parcels_in(path, _Files(path))


class _Files(Mapping[str, Path]):
    """The paths of the files of a library's folder; other names are passed over."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __getitem__(self, name: str) -> Path:
        return self._root / name

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and layout.kind_of(name) is not None and os.path.lexists(self._root / name)

    def __iter__(self) -> Iterator[str]:
        for path in layout.files(self._root):
            yield path.relative_to(self._root).as_posix()

    def __len__(self) -> int:
        return sum(1 for _ in self)
