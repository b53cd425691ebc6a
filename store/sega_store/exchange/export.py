"""Export and import: vectors with their noise and annotations, from library to library and to other programs.

| format        | path           | holds                                                                        |
|---------------|----------------|------------------------------------------------------------------------------|
| `zip`         | `*.zip`        | a bundle: a library in one file; see `bundle.py` |
| `folder`      | any other      | a library; see `folder.py` |
| `zarr`        | `*.zarr`       | dense arrays in one Zarr hierarchy; see `zarr_export.py` |
| `safetensors` | `*.safetensors`, or a folder | dense tensors, as diffusers takes them; see `safetensors_export.py` |
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from sega_store.errors import InvalidInputError, VectorFileError
from sega_store.exchange import bundle, folder, safetensors_export, zarr_export
from sega_store.exchange.parcel import Parcel, parcel_of
from sega_store.library.library import Library
from sega_store.places import layout
from sega_store.places.disk import library_errors, sync_folder
from sega_store.records.annotation import NOTHING_SAID


class Format(Protocol):
    """A module that writes and reads a format."""

    def write(self, path: Path, parcels: Iterable[Parcel]) -> None:
        """Writes parcels to a path where there is nothing."""

    def read(self, path: Path) -> Iterator[Parcel]:
        """The parcels at a path, checked, one after the other; anything wrong is a `VectorFileError`."""


FORMATS: dict[str, Format] = {"zip": bundle, "folder": folder, "zarr": zarr_export, "safetensors": safetensors_export}


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes:
        added: The ids of the vectors that are new to the library.
        held: Those of the vectors that it held already.
        unnamed: Those of the vectors that came with a name that another vector has, and are now without.
    """

    added: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()


def export_vectors(
    library: Library,
    path: str | os.PathLike[str],
    refs: Iterable[str] = (),
    format: str | None = None,
    step: Callable[[], object] = lambda: None,
) -> list[str]:
    """Writes vectors, each checked, with their noise and annotations; the path appears when all is written.

    Args:
        library: Where they are.
        path: Where they go; there must be nothing yet.
        refs: Which; none for all.
        format: `zip`, `folder`, `zarr` or `safetensors`; None for what the path ends in, else `folder`.
        step: Called after every vector.

    Returns:
        Their ids.

    Raises:
        InvalidInputError: There is something at the path, the format is unknown, or there is no vector.
        VectorFileError: A file of the library is damaged.
        LibraryError: The disk is full, the folder isn't writable, and the like.
    """
    target = Path(path).expanduser().absolute()
    kind = format or _format_for(target)
    if kind not in FORMATS:
        raise InvalidInputError(f"format must be one of {', '.join(FORMATS)}, met {kind!r}.")
    if os.path.lexists(target):
        raise InvalidInputError(f"{target} is there already. Remove it, or choose another path.")
    ids = list(dict.fromkeys(map(library.resolve, refs)))
    if not ids:
        if damaged := library.catalogue.damaged():  # a listing passes over such files, and an export of all must not
            raise damaged[0]
        ids = list(library)
    if not ids:
        raise InvalidInputError(f"{library.where} holds no vector to export.")

    def parcels() -> Iterator[Parcel]:
        for identity in ids:
            yield parcel_of(library.files, identity)
            step()

    with library_errors(f"Writing {target}"):
        temporary = target.with_name(f".{secrets.token_hex(8)}{target.suffix}")
        try:
            FORMATS[kind].write(temporary, parcels())
            if os.path.lexists(target):
                raise InvalidInputError(f"{target} has appeared in the meantime. Remove it, or choose another path.")
            temporary.rename(target)
            sync_folder(target.parent)
        finally:
            _discard(temporary)
    return ids


def import_vectors(
    library: Library, path: str | os.PathLike[str], step: Callable[[], object] = lambda: None
) -> Imported:
    """Adds the vectors of an export, which isn't trusted: all of it is checked before anything is added.

    What the library holds already stays as it is, but gets a noise or an annotation if it has none. If a vector can't
    be added, those before it are taken back; after an interruption they stay, and the same import goes on.

    Args:
        library: Where they go.
        path: An export of any format.
        step: Called after every vector that was checked.

    Raises:
        VectorFileError: Anything is wrong with the export.
        LibraryError: The disk is full, the folder isn't writable, and the like.
    """
    source = Path(path).expanduser().absolute()
    read = FORMATS[_format_of(source)].read
    checked = 0
    for _ in read(source):
        checked += 1
        step()
    if not checked:
        raise VectorFileError(str(source), "there is no vector in it")
    added: list[str] = []
    held: list[str] = []
    unnamed: list[str] = []
    try:
        for parcel in read(source):
            identity = parcel.vector.id
            new = not library.files.exists(layout.vector_key(identity))
            (added if new else held).append(identity)
            if not _place(library, parcel):
                unnamed.append(identity)
    except Exception:
        for identity in added:
            if library.files.exists(layout.vector_key(identity)):
                library.remove(identity)
        raise
    return Imported(tuple(added), tuple(held), tuple(unnamed))


def _place(library: Library, parcel: Parcel) -> bool:
    """Adds what is new of a parcel; whether its vector could have its name."""
    vector, noise, said = parcel.vector, parcel.noise, parcel.annotation
    has_noise = noise is None or library.files.exists(layout.noise_key(noise.sha256))
    if not (has_noise and library.files.exists(layout.vector_key(vector.id))):
        library.add(vector, noise)
    if said == NOTHING_SAID or library.files.exists(layout.annotation_key(vector.id)):
        return True
    annotate = partial(
        library.annotate,
        vector.id,
        tags=said.tags,
        rating=said.rating,
        notes=said.notes,
        recommended=said.recommended,
    )
    try:
        annotate(name=said.name)
    except InvalidInputError:  # another vector has the name, and here it stays with that one
        annotate()
        return False
    return True


def _format_for(path: Path) -> str:
    return next((kind for kind in FORMATS if path.suffix == f".{kind}"), "folder")


def _format_of(path: Path) -> str:
    """The format of an export, by what is there."""
    with library_errors(f"Reading {path}"):
        if path.is_file():
            return "safetensors" if path.suffix == safetensors_export.SUFFIX else "zip"
        if not path.is_dir():
            raise VectorFileError(str(path), "there is no file or folder")
        if (path / "zarr.json").exists():
            return "zarr"
        return "safetensors" if next(path.glob(f"*{safetensors_export.SUFFIX}"), None) else "folder"


def _discard(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
