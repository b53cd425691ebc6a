"""Verification: every byte of a library's files against their hashes, and what can be done about damage.

A vector's or noise's file is read as `read_vector` reads it, which finds every changed byte, and its name compared with
its hash. An annotation has no hash: its form is checked. Damage is mended with the file of the same name in another
library, itself checked; the hash in the name says that it holds the same content.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sega_store import disk, layout
from sega_store.annotation import read_annotation
from sega_store.bundle import MAX_FILE_BYTES
from sega_store.errors import InvalidInputError, UnknownRefError, VectorFileError
from sega_store.file import read_noise, read_vector
from sega_store.header import read_header

if TYPE_CHECKING:
    from sega_store.library import Library


@dataclass(frozen=True)
class Damage:
    """A damaged file.

    Attributes:
        path: Where it is, or was.
        problem: What is wrong with it.
        outcome: `left` as it is, `moved aside`, or `repaired`: there is a whole one in its place.
        aside: Where it was moved to, if it was.
    """

    path: Path
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
    files, damages = 0, []
    for path in _files_of(library, wanted) if wanted else layout.files(library.root):
        problem = _problem(path)
        if problem is None:
            files += 1
        elif os.path.lexists(path):  # else it was removed just now
            files += 1
            damages.append(_mend(library.root, path, problem, move_aside, source))
        step()
    return Verification(files, tuple(damages))


def _files_of(library: "Library", refs: Iterable[str]) -> list[Path]:
    """The files of some vectors: the vector, its noise if it is there, its annotation if it has one."""
    root = library.root
    found: dict[Path, None] = {}
    for identity in [identity for ref in refs for identity in _ids(library, ref)]:
        path = layout.vector_path(root, identity)
        found[path] = None
        try:
            noise = layout.noise_path(root, read_header(path)[0].provenance.noise.sha256)
        except VectorFileError:  # nobody knows its noise then
            noise = root
        for other in (noise, layout.annotation_path(root, identity)):
            if other.is_file():
                found[other] = None
    return list(found)


def _ids(library: "Library", ref: str) -> list[str]:
    """The vector of a REF; a vector too damaged to be listed is still found by the first digits of its id."""
    try:
        return [library.resolve(ref)]
    except UnknownRefError:
        folder = layout.vector_path(library.root, ref.lower()).parent
        ids = [identity for identity in layout.vectors_in(folder) if identity.startswith(ref.lower())]
        if len(ref) < 4 or not ids:
            raise
        return ids


def _problem(path: Path) -> str | None:
    """What is wrong with a file of a library."""
    kind = path.parents[1].name
    try:
        if kind == layout.ANNOTATIONS:
            read_annotation(path)
        else:
            _check(kind, path.name, path)
    except VectorFileError as error:
        return error.problem
    except InvalidInputError as error:
        return str(error)
    return None


def _check(kind: str, name: str, source: bytes | Path) -> None:
    """Checks a vector's or noise's file against its name."""
    due = read_vector(source).id if kind == layout.VECTORS else read_noise(source).sha256
    if name != f"{due}{layout.SUFFIX}":
        raise InvalidInputError(f"its name isn't its hash, {due}")


def _mend(root: Path, path: Path, problem: str, move_aside: Path | None, source: "Library | None") -> Damage:
    kind = path.parents[1].name
    whole = None
    if source is not None and kind != layout.ANNOTATIONS:
        with suppress(InvalidInputError, VectorFileError):  # missing there, or damaged itself
            spare = disk.read_regular(source.root / path.relative_to(root), MAX_FILE_BYTES[kind])[0]
            _check(kind, path.name, spare)
            whole = spare
    aside = None
    if move_aside is not None:
        with disk.library_errors(f"Moving {path} to {move_aside}"):
            aside = _free_name(move_aside, path.name)
            shutil.move(path, aside)
            disk.sync_folder(path.parent)
    if whole is not None:
        disk.replace(path, whole)
        return Damage(path, problem, "repaired", aside)
    return Damage(path, problem, "left" if aside is None else "moved aside", aside)


def _free_name(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    return path.with_name(f"{secrets.token_hex(4)}.{name}") if os.path.lexists(path) else path
