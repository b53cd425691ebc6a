"""Verification: every byte of a library's files against their hashes, and what can be done about damage.

A vector's or noise's file is read as `read_vector` reads it, which finds every changed byte, and its name compared with
its hash. An annotation has no hash: its form is checked. Damage is mended with the file of the same name in another
library, itself checked; the hash in the name says that it holds the same content.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sega_store.errors import InvalidInputError, LibraryError, UnknownRefError, VectorFileError
from sega_store.exchange.parcel import CHECK_SIZE, check_noise, check_vector
from sega_store.files.header import header_by
from sega_store.library.catalogue import ID_PREFIX
from sega_store.places import layout
from sega_store.records.annotation import parse_annotation

if TYPE_CHECKING:
    from sega_store.library.library import Library
    from sega_store.places.files import Storage


@dataclass(frozen=True)
class Damage:
    """A damaged file.

    Attributes:
        path: Where it is, or was: a path, or a URL in an object store.
        problem: What is wrong with it.
        outcome: `left` as it is, `moved aside`, or `repaired`: there is a whole one in its place.
        aside: Where it was moved to, if it was.
    """

    path: Path | str
    problem: str
    outcome: Literal["left", "moved aside", "repaired"] = "left"
    aside: Path | None = None

    def __str__(self) -> str:
        where = f", the damaged file is now {self.aside}" if self.aside else ""
        done = "" if self.outcome == "left" else f" ({self.outcome}{where})"
        return " ".join(f"{self.path}: {self.problem}{done}".split())


@dataclass(frozen=True)
class Verification:
    """What a verification found.

    Attributes:
        files: The number of files that were read.
        damages: The damaged ones.
    """

    files: int
    damages: tuple[Damage, ...]

    @property
    def left(self) -> tuple[Damage, ...]:
        """The damage that is still there."""
        return tuple(damage for damage in self.damages if damage.outcome == "left")


def verify(
    library: "Library",
    refs: Iterable[str] = (),
    move_aside: Path | None = None,
    source: "Library | None" = None,
    step: Callable[[], object] = lambda: None,
) -> Verification:
    """Reads files and compares them with their hashes; see `Library.verify`."""
    wanted = list(refs)
    storage = library.storage
    files, damages = 0, []
    for key in _files_of(library, wanted) if wanted else _all_files(storage):
        problem = _problem(storage, key) and _problem(storage, key)  # it may just have been removed and added again
        if problem is None:
            files += 1
        elif storage.exists(key):  # else it was removed just now
            files += 1
            damages.append(_mend(storage, key, problem, move_aside, source))
        step()
    return Verification(files, tuple(damages))


def _all_files(storage: "Storage") -> Iterator[str]:
    for kind in layout.KINDS:
        yield from storage.keys(f"{kind}/")


def _files_of(library: "Library", refs: Iterable[str]) -> list[str]:
    """The files of some vectors: the vector, its noise if it is there, its annotation if it has one."""
    storage = library.storage
    found: dict[str, None] = {}
    for identity in [identity for ref in refs for identity in _ids(library, ref)]:
        key = layout.vector_key(identity)
        others = [layout.annotation_key(identity)]
        with suppress(VectorFileError):  # nobody knows its noise then
            header, _ = header_by(key, partial(storage.beginning, key))
            others.append(layout.noise_key(header.provenance.noise.sha256))
        found |= dict.fromkeys([key, *filter(storage.exists, others)])
    return list(found)


def _ids(library: "Library", ref: str) -> list[str]:
    """The vector of a REF; a vector too damaged to be listed is still found by the first digits of its id."""
    try:
        return [library.resolve(ref)]
    except UnknownRefError:
        if not ID_PREFIX.fullmatch(ref.lower()):
            raise
        prefix = f"{layout.VECTORS}/{ref[:2].lower()}/{ref.lower()}"
        ids = [layout.stem_of(key) for key in library.storage.keys(prefix)]
        if not ids:
            raise
        return ids


def _problem(storage: "Storage", key: str) -> str | None:
    """What is wrong with a file of a library."""
    try:
        _whole(storage, key)
    except VectorFileError as error:
        return error.problem
    except InvalidInputError as error:
        return str(error)
    return None


def _whole(storage: "Storage", key: str) -> bytes:
    """The bytes of a file, checked against its name."""
    kind, stem = key.partition("/")[0], layout.stem_of(key)
    data = storage.read(key, CHECK_SIZE[kind])
    if kind == layout.VECTORS:
        check_vector(stem, data)
    elif kind == layout.NOISE:
        check_noise(stem, data)
    else:
        parse_annotation(data)
    return data


def _mend(storage: "Storage", key: str, problem: str, move_aside: Path | None, source: "Library | None") -> Damage:
    annotation = key.startswith(f"{layout.ANNOTATIONS}/")
    whole = None if source is None or annotation else _spare(source.storage, key)
    path = storage.locate(key)
    # a copy is taken if the file is replaced, so that a killed repair leaves the damaged one or the whole
    aside = None if move_aside is None else storage.take_out(key, move_aside, keep=whole is not None)
    if whole is not None:
        storage.replace(key, whole)
        return Damage(path, problem, "repaired", aside)
    return Damage(path, problem, "left" if aside is None else "moved aside", aside)


def _spare(storage: "Storage", key: str) -> bytes | None:
    """The bytes of a file of another library; None if it is missing or damaged."""
    try:
        return _whole(storage, key) if storage.exists(key) else None
    except (InvalidInputError, VectorFileError) as error:
        if isinstance(error.__cause__, OSError):  # not now, but perhaps tomorrow: nothing is moved for that
            raise LibraryError(
                f"{storage.locate(key)} might repair a damaged file, but {error}. Make it readable, or go without."
            ) from error
        return None
