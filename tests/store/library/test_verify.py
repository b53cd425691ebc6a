import os
import random
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from sega_store import Library, LibraryError, UnknownRefError, VectorFileError, Verification, copy_vectors
from sega_store.places.layout import annotation_key, noise_key, vector_key
from tests.store.samples import PREVIEW, noise, provenance, vector


def flip(path: Path, position: int, bit: int = 1) -> None:
    with path.open("r+b") as file:  # in place: truncating is slow on many a disk
        file.seek(position)
        (byte,) = file.read(1)
        file.seek(position)
        file.write(bytes([byte ^ bit]))


@pytest.fixture
def full(library: Library) -> Library:
    """A library of two vectors that share a noise, one of them with an annotation."""
    library.add(vector("glasses").with_preview(PREVIEW), noise(), name="mine")
    library.add(vector("smile"), noise())
    return library


@pytest.fixture
def other(tmp_path: Path, full: Library) -> Library:
    """Another library with the same content."""
    other = Library(tmp_path / "other")
    for identity in full:
        other.add(full[identity], full.noise(identity))
    return other


def test_what_is_too_large_is_not_read(full: Library, tmp_path: Path) -> None:
    entry = full.entry("mine")
    for path in (full.path_of("mine"), full.root / noise_key(entry.noise), full.root / annotation_key(entry.id)):
        os.truncate(path, 1 << 30)
    copy = Library(tmp_path / "copy")
    tracemalloc.start()
    assert len(full.verify().damages) == 3
    for read in (lambda: full[entry.id], lambda: full.noise(entry.id), lambda: copy_vectors(full, copy, [entry.id])):
        with pytest.raises(VectorFileError, match="bytes, more than"):
            read()
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


def test_a_whole_library_has_no_damage(full: Library, library: Library) -> None:
    steps: list[None] = []
    found = full.verify(step=lambda: steps.append(None))
    assert (found.files, found.damages, len(steps)) == (4, (), 4)
    assert Library(library.root / "nothing").verify().files == 0


def test_two_thousand_flips_are_found(library: Library) -> None:
    library.add(vector().with_preview(PREVIEW))
    path = library.path_of("glasses")
    whole = path.read_bytes()
    rng = random.Random(0)
    for _ in range(2000):
        place = rng.randrange(len(whole)), 1 << rng.randrange(8)
        flip(path, *place)
        assert [damage.path for damage in library.verify().damages] == [path]
        flip(path, *place)
    assert path.read_bytes() == whole
    assert library.verify() == Verification(1, ())


def test_each_damage_is_one_line(full: Library) -> None:
    identity = full.resolve("mine")
    broken = [
        full.path_of("mine"),
        full.root / noise_key(noise().sha256),
        full.root / annotation_key(identity),
    ]
    for path in broken:
        flip(path, 40)
    found = full.verify()
    assert {damage.path for damage in found.damages} == set(broken)
    assert found.left == found.damages
    for damage in found.damages:
        assert str(damage).startswith(f"{damage.path}: ")
        assert len(str(damage).splitlines()) == 1


def test_a_file_under_anothers_name_is_damage(full: Library) -> None:
    path, stranger = full.path_of("smile"), full.path_of("mine")
    path.write_bytes(stranger.read_bytes())
    (damage,) = full.verify().damages
    assert damage.path == path
    assert "its name isn't its hash" in damage.problem


@pytest.mark.parametrize("what", ["cut", "empty", "folder", "pipe", "dangling link"])
def test_other_damage(full: Library, what: str) -> None:
    path = full.path_of("smile")
    data = path.read_bytes()
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "dangling link":
        path.symlink_to("nowhere")
    else:
        path.write_bytes(data[: len(data) // 2 if what == "cut" else 0])
    assert [damage.path for damage in full.verify().damages] == [path]


def test_refs_choose_the_files(full: Library) -> None:
    assert full.verify(["mine"]).files == 3  # vector, noise, annotation
    assert full.verify(["mine", "smile"]).files == 4
    flip(full.path_of("smile"), 200)
    assert not full.verify(["mine"]).damages
    with pytest.raises(UnknownRefError):
        full.verify(["hat"])


def test_a_vector_too_damaged_to_be_listed_is_found_by_its_id(full: Library) -> None:
    identity = full.resolve("smile")
    (full.root / vector_key(identity)).write_bytes(b"")
    again = Library(full.root)
    (damage,) = again.verify([identity]).damages
    assert damage.path == full.root / vector_key(identity)
    assert again.verify([identity[:12]]).damages == (damage,)


def test_damaged_files_are_moved_aside(full: Library, tmp_path: Path) -> None:
    path = full.path_of("smile")
    flip(path, 200)
    damaged = path.read_bytes()
    found = full.verify(move_aside=tmp_path / "aside")
    (damage,) = found.damages
    assert (damage.outcome, found.left) == ("moved aside", ())
    assert damage.aside is not None
    assert damage.aside.read_bytes() == damaged
    assert not path.exists()
    assert not full.verify().damages
    path.write_bytes(damaged)
    full.verify(move_aside=tmp_path / "aside")
    assert len(list((tmp_path / "aside").iterdir())) == 2, "nothing is overwritten"


def test_damage_is_repaired_from_another_library(full: Library, other: Library, tmp_path: Path) -> None:
    before = {identity: full[identity] for identity in full}
    paths = [full.path_of("smile"), full.root / noise_key(noise().sha256)]
    for path in paths:
        flip(path, 300)
    found = full.verify(source=other)
    assert [(damage.path, damage.outcome) for damage in found.damages] == [(path, "repaired") for path in paths]
    assert not full.verify().damages
    assert {identity: full[identity] for identity in full} == before
    flip(paths[0], 300)
    (damage,) = full.verify(move_aside=tmp_path / "aside", source=other).damages
    assert damage.outcome == "repaired"
    assert damage.aside is not None
    assert not full.verify().damages


def test_what_is_missing_or_damaged_there_repairs_nothing(full: Library, other: Library) -> None:
    flip(full.path_of("smile"), 300)
    flip(full.path_of("mine"), 300)
    flip(other.path_of("smile"), 200)
    other.remove("glasses")
    found = full.verify(source=other)
    assert [damage.outcome for damage in found.damages] == ["left", "left"]
    assert len(full.verify(source=Library(full.root / "nothing")).left) == 2


def test_a_vector_of_unknown_noise_is_whole(library: Library) -> None:
    library.add(replace(vector(), provenance=provenance(noise(7))))
    assert library.verify().files == 1
    assert library.verify(["glasses"]).files == 1


def test_a_folder_that_can_not_be_written_is_an_error(full: Library) -> None:
    flip(full.path_of("smile"), 200)
    with pytest.raises(LibraryError):
        full.verify(move_aside=Path("/proc/nothing"))
