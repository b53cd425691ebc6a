"""Export: vectors with their noises and annotations, for other libraries and other programs."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sega_store.errors import InvalidInputError
from sega_store.exchange import bundle, safetensors_export, zarr_export
from sega_store.exchange.parcel import Parcel, parcel_of
from sega_store.files.regular_file import user_path
from sega_store.library.library import Library
from sega_store.places.disk import library_errors, publish, sync_folder


def _write_folder(path: Path, parcels: Iterable[Parcel]) -> None:
    """Writes the files of a library."""
    path.mkdir()
    for key, data in (each for parcel in parcels for each in parcel.files()):
        publish(path / key, data)


def _format_of(path: Path, format: str | None) -> str:
    """The format that is asked for, or that a path ends in; the two must not contradict each other."""
    if format is not None and format not in FORMATS:
        raise InvalidInputError(f"format must be one of {', '.join(FORMATS)}, met {format!r}.")
    ending = path.suffix.lower()
    told = ending.removeprefix(".") if ending[1:] in (*FORMATS, "") else None
    if told is None and format is None:
        raise InvalidInputError(
            f"a path ends in .zip, .zarr or .safetensors, or in nothing if a folder is wanted; met {ending}."
            " Choose one of these, or give the format."
        )
    if told and format and told != format:
        raise InvalidInputError(
            f"a path that ends in {ending} is written in that format, met the format {format}. Choose another path, or"
            " leave the format out."
        )
    return format or told or "folder"


FORMATS: dict[str, Callable[[Path, Iterable[Parcel]], None]] = {
    "zip": bundle.write,
    "folder": _write_folder,
    "zarr": zarr_export.write,
    "safetensors": safetensors_export.write,
}
"""What writes parcels to a path where there is nothing, by format."""


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
        format: `zip`, `folder`, `zarr` or `safetensors`; None for what the path ends in, `folder` if that is nothing.
        step: Called after every vector.

    Returns:
        Their ids.

    Raises:
        InvalidInputError: There is something at the path, the format is unknown or not what the path ends in, or there
            is no vector.
        VectorFileError: A file of the library is damaged.
        LibraryError: The disk is full, the folder isn't writable, and the like.
    """
    target = user_path(path).absolute()
    kind = _format_of(target, format)
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
            FORMATS[kind](temporary, parcels())
            if os.path.lexists(target):
                raise InvalidInputError(f"{target} has appeared in the meantime. Remove it, or choose another path.")
            temporary.rename(target)
            sync_folder(target.parent)
        finally:
            if temporary.is_dir():
                shutil.rmtree(temporary)
            else:
                temporary.unlink(missing_ok=True)
    return ids
