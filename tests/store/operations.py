"""What can be done with a library and be cut short at any moment, and what it may then look like."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from sega_store import Entry, Library, UnknownRefError, VectorFileError, export_vectors, import_vectors, read_vector
from sega_store.places import layout, leftovers
from sega_store.records.annotation import Annotation

from .samples import noise, provenance, vector

A, B, C, NEW = (
    vector(text, facts=provenance(noise(seed))) for text, seed in (("a", 1), ("b", 1), ("c", 2), ("new", 3))
)
NOISES = {each.id: noise(seed) for each, seed in ((A, 1), (B, 1), (C, 2), (NEW, 3))}

Row: TypeAlias = tuple[bool, Annotation] | str
State: TypeAlias = dict[str, Row]


@dataclass(frozen=True)
class Operation:
    """Something done to a library of the vectors A and B, which share a noise, and C.

    Attributes:
        run: Does it. Done again after it was cut short, it does the rest.
        prepare: What has to be there first.
    """

    run: Callable[[Library], object]
    prepare: Callable[[Library], object] = lambda library: None


def references(folder: Path, operation: Operation) -> tuple[State, State, set[str]]:
    """Makes the library that `copy` copies; its states before and after an operation, and its files after it."""
    library = Library(folder / "template" / "library")
    for each in (A, B, C):
        library.add(each, NOISES[each.id], name=f"my {each.concept.text}")
    operation.prepare(library)
    untouched, done = copy(folder, "untouched"), copy(folder, "done")
    operation.run(done)
    return state(untouched), state(done), names(done.root)


def copy(folder: Path, name: str) -> Library:
    """A copy of the library to which the operation is done, with what is beside it."""
    shutil.copytree(folder / "template", folder / name)
    return Library(folder / name / "library")


def state(library: Library) -> State:
    """All that there is, read in full: of each vector whether its noise is there, and what is said of it."""
    return {entry.id: _row(library, entry) for entry in library.search()}


def check(found: State, before: State, after: State) -> None:
    """Holds that each vector is as it was or as it should be; a new one may lack its annotation."""
    for identity in found.keys() | before.keys() | after.keys():
        allowed = [before.get(identity), after.get(identity)]
        if identity not in before:
            allowed.append((True, Annotation()))
        assert found.get(identity) in allowed, f"{identity[:8]}: {found.get(identity)}, allowed {allowed}"


def check_end(library: Library, operation: Operation, after: State, files: set[str]) -> None:
    """Holds that an operation that was cut short can be done again, and that nothing is left then but what it makes."""
    operation.run(library)
    assert state(library) == after
    clean_at_once(library)
    assert names(library.root) == files


def names(root: Path) -> set[str]:
    """The names of all files of a library."""
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def clean_at_once(library: Library) -> None:
    """Verifies, and removes leftovers of any age."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sega_store.places.disk.ABANDONED_SECONDS", 0)
        patch.setattr(leftovers, "UNNEEDED_SECONDS", 0)
        found = library.verify()
    assert not found.damages, found.damages


def _row(library: Library, entry: Entry) -> Row:
    try:
        assert read_vector(library.root / layout.vector_key(entry.id)).id == entry.id
        has_noise = library.noise(entry.id) == NOISES[entry.id]
    except VectorFileError:
        return "damaged"
    except UnknownRefError:
        has_noise = False
    return has_noise, Annotation(entry.name, entry.tags, entry.rating, entry.notes)


def _remove(ref: str) -> Callable[[Library], None]:
    def run(library: Library) -> None:
        with suppress(UnknownRefError):  # it was removed before it was cut short
            library.remove(ref)

    return run


def _damage(library: Library) -> None:
    shutil.copytree(library.root, f"{library.root}.spare")
    path = library.path_of(C.id)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _mend(library: Library) -> None:
    library.verify(move_aside=Path(f"{library.root}.aside"), source=Library(f"{library.root}.spare"))


def _export(library: Library) -> None:
    other = Library(f"{library.root}.other")
    other.add(NEW, NOISES[NEW.id], name="new")
    other.add(C, NOISES[C.id])
    export_vectors(other, f"{library.root}.zip")
    library.remove(C.id)


def _leave(library: Library) -> None:
    """What killed processes leave, of each kind one; among them a noise that is needed."""
    other = Library(f"{library.root}.other")
    other.add(NEW, NOISES[NEW.id], name="alone")
    for kind in (layout.NOISE, layout.ANNOTATIONS):
        shutil.copytree(other.root / kind, library.root / kind, dirs_exist_ok=True)
    for seed in (1, 2):
        path = library.root / layout.noise_key(noise(seed).sha256)
        path.rename(path.with_name(f".{path.name}.0123456789abcdef.tmp"))
    library.path_of(C.id).unlink()
    library.path_of(A.id).with_name(".0123456789abcdef.tmp").write_bytes(b"half")


OPERATIONS = {
    "add": Operation(lambda library: library.add(NEW, NOISES[NEW.id], name="new")),
    "add again": Operation(lambda library: library.add(A, NOISES[A.id])),
    "remove": Operation(_remove("my a")),
    "remove with noise": Operation(_remove("my c")),
    "annotate": Operation(lambda library: library.annotate(A.id, name="mine", rating=5)),
    "repair": Operation(_mend, _damage),
    "import": Operation(lambda library: import_vectors(library, f"{library.root}.zip"), _export),
    "clean": Operation(clean_at_once, _leave),
}
