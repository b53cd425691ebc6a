"""Verification: every byte of a library's files against their hashes, and what can be done about damage.

A vector's or noise's file is read as `read_vector` reads it, which finds every changed byte, and its name compared with
its hash. An annotation has no hash: its form is checked. Damage is mended with the file of the same name in another
library, itself checked; the hash in the name says that it holds the same content.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sega_store.errors import LibraryError, UnknownRefError, VectorFileError
from sega_store.files.header import header_by
from sega_store.library.catalogue import ID_PREFIX
from sega_store.places import layout
from sega_store.places.contents import read_whole
from sega_store.places.files import Files

if TYPE_CHECKING:
    from sega_store.library.library import Library


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
    refs: Sequence[str],
    move_aside: Path | None,
    source: "Library | None",
    step: Callable[[], object],
    each: Callable[[Damage], object],
) -> Verification:
    """Reads files and compares them with their hashes; see `Library.verify`."""
    files = library.files
    count, damages = 0, []
    every = (key for kind in layout.KINDS for key in files.keys(f"{kind}/"))
    for key in _files_of(library, refs) if refs else every:
        problem = _problem(files, key) and _problem(files, key)  # it may just have been removed and added again
        if problem is None:
            count += 1
        elif files.exists(key):  # else it was removed just now
            count += 1
            damages.append(_mend(files, key, problem, move_aside, source))
            each(damages[-1])
        step()
    return Verification(count, tuple(damages))


def _files_of(library: "Library", refs: Iterable[str]) -> list[str]:
    """The files of some vectors: the vector, its noise if it is there, its annotation if it has one."""
    files = library.files
    found: dict[str, None] = {}
    for identity in [identity for ref in refs for identity in _ids(library, ref)]:
        key = layout.vector_key(identity)
        others = [layout.annotation_key(identity)]
        with suppress(VectorFileError):  # nobody knows its noise then
            header, _ = header_by(key, partial(files.beginning, key))
            others.append(layout.noise_key(header.provenance.noise.sha256))
        found |= dict.fromkeys([key, *filter(files.exists, others)])
    return list(found)


def _ids(library: "Library", ref: str) -> list[str]:
    """The vector of a REF; a vector too damaged to be listed is still found by the first digits of its id."""
    try:
        return [library.resolve(ref)]
    except UnknownRefError:
        if not ID_PREFIX.fullmatch(ref.lower()):
            raise
        prefix = f"{layout.VECTORS}/{ref[:2].lower()}/{ref.lower()}"
        ids = [layout.stem_of(key) for key in library.files.keys(prefix)]
        if not ids:
            raise
        return ids


def _problem(files: Files, key: str) -> str | None:
    """What is wrong with a file of a library."""
    try:
        read_whole(files, key)
    except VectorFileError as error:
        return error.problem
    return None


def _mend(files: Files, key: str, problem: str, move_aside: Path | None, source: "Library | None") -> Damage:
    annotation = key.startswith(f"{layout.ANNOTATIONS}/")
    whole = None if source is None or annotation else _spare(source.files, key)
    path = files.locate(key)
    # a copy is taken if the file is replaced, so that a killed repair leaves the damaged one or the whole
    aside = None if move_aside is None else files.take_out(key, move_aside, keep=whole is not None)
    if whole is not None:
        files.replace(key, whole)
        return Damage(path, problem, "repaired", aside)
    return Damage(path, problem, "left" if aside is None else "moved aside", aside)


def _spare(files: Files, key: str) -> bytes | None:
    """The bytes of a file of another library; None if it is missing or damaged."""
    try:
        return read_whole(files, key) if files.exists(key) else None
    except VectorFileError as error:
        if isinstance(error.__cause__, OSError):  # not now, but perhaps tomorrow: nothing is moved for that
            raise LibraryError(
                f"{error.file} might repair a damaged file, but {error.problem}. Make it readable, or go without."
            ) from error
        return None
