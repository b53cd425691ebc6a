import os
from dataclasses import replace
from pathlib import Path

import pytest

from sega_store import GuidanceVector, Library, UnknownRefError, VectorFileError
from sega_store.files.regular_file import CheckSize
from sega_store.places import disk
from sega_store.places.layout import annotation_key, noise_key
from sega_store.places.removal import asides_in, let_go, recover, remove, settle
from tests.store.places.test_disk import synced
from tests.store.samples import noise, provenance, vector


def of_noise(text: str, seed: int) -> GuidanceVector:
    return vector(text, facts=provenance(noise(seed)))


def set_aside(path: Path) -> Path:
    """Does what a removal does that is killed then."""
    return path.rename(path.with_name(f".{path.name}.0123456789abcdef.tmp"))


def test_a_noise_that_a_killed_removal_set_aside_is_still_there(library: Library) -> None:
    library.add(vector(), noise())
    path = library.root / noise_key(noise().sha256)
    aside = set_aside(path)
    assert asides_in(path.parent) == [aside]
    assert library.noise("glasses") == noise()
    assert path.exists()
    set_aside(path)
    assert library.verify(["glasses"]).files == 2


def test_nothing_is_recovered_from_nothing(library: Library) -> None:
    path = library.root / noise_key(noise().sha256)
    assert not recover(path)
    library.add(of_noise("glasses", 5), noise(5))
    set_aside(library.root / noise_key(noise(5).sha256))
    assert not recover((library.root / noise_key(noise(5).sha256)).with_name(path.name))


def test_removals_of_the_same_at_once(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    library.add(vector(), noise())
    entry = library.entry("glasses")
    rename = Path.rename

    def another_comes_first(path: Path, target: Path) -> Path:
        monkeypatch.undo()
        remove(library.root, library.catalogue, entry.id, entry.noise)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", another_comes_first)
    assert library.remove("glasses") == entry.id
    assert not [path for path in library.root.rglob("*") if path.is_file()]


def test_a_noise_removed_while_it_is_added_again_is_there(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    library.add(vector(), noise())
    publish = disk.publish

    def remove_after_the_noise(path: Path, data: bytes) -> bool:
        monkeypatch.undo()
        new = publish(path, data)
        Library(library.root).remove("glasses")
        assert not (library.root / noise_key(noise().sha256)).exists()
        return new

    monkeypatch.setattr(disk, "publish", remove_after_the_noise)
    library.add(vector("smile"), noise())
    assert library.noise("smile") == noise()


def test_an_annotation_stays_if_its_vector_is_added_again_meanwhile(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = library.add(vector())
    library.annotate(identity, rating=4)
    rename = Path.rename

    def writer_comes_first(path: Path, target: Path) -> Path:
        monkeypatch.undo()
        Library(library.root).add(vector())
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", writer_comes_first)
    library.remove(identity)
    assert library.entry(identity).rating == 4
    assert not asides_in((library.root / annotation_key(identity)).parent)


def test_a_noise_stays_while_a_vector_can_not_be_read(library: Library) -> None:
    damaged = library.path_of(library.add(of_noise("glasses", 1), noise(1)))
    library.add(of_noise("smile", 1))
    data = damaged.read_bytes()
    damaged.write_bytes(b"")
    library = Library(library.root)
    library.remove("smile")
    damaged.write_bytes(data)
    os.utime(damaged.parent)
    assert library.noise("glasses") == noise(1), "nobody could tell which noise the damaged vector needs"


@pytest.mark.parametrize("kind", ["vectors", "noise", "annotations"])
def test_a_vector_removed_while_it_is_read_is_unknown(
    library: Library, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    identity = library.add(vector(), noise(), name="mine")

    read = library.files.read

    def remove_first(key: str, check_size: CheckSize) -> bytes:
        if key.startswith(kind):
            monkeypatch.undo()
            Library(library.root).remove(identity)
        return read(key, check_size)

    monkeypatch.setattr(library.files, "read", remove_first)
    with pytest.raises(UnknownRefError):
        (library.annotate(identity, rating=1), library[identity], library.noise(identity))


def test_a_damaged_vector_is_no_unknown_one(library: Library) -> None:
    path = library.path_of(library.add(replace(vector(), provenance=provenance(noise(2)))))
    data = path.read_bytes()
    path.write_bytes(data[:-100] + bytes([data[-100] ^ 1]) + data[-99:])
    with pytest.raises(VectorFileError):
        library["glasses"]


@pytest.mark.parametrize(("answers", "stays"), [([True], True), ([False, True], True), ([False, False], False)])
def test_a_file_goes_if_nothing_needs_it_before_and_after_it_is_set_aside(
    tmp_path: Path, answers: list[bool], stays: bool
) -> None:
    path, asked = tmp_path / "file", iter(answers)
    path.write_bytes(b"data")

    def needed(asked_of: Path) -> bool:
        assert asked_of == path
        return next(asked)

    let_go(path, needed)
    assert next(asked, None) is None
    assert os.listdir(tmp_path) == (["file"] if stays else [])


def test_a_file_that_is_not_there_is_let_go(tmp_path: Path) -> None:
    let_go(tmp_path / "file", lambda path: False)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("needed", [False, True])
def test_how_a_removal_ends_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needed: bool) -> None:
    path = tmp_path / "file"
    path.touch()
    aside, inodes = set_aside(path), synced(monkeypatch)
    settle(aside, lambda path: needed)
    assert os.listdir(tmp_path) == (["file"] if needed else [])
    assert inodes == [tmp_path.stat().st_ino] * (2 if needed else 1), "it is put back before what was aside goes"


def test_what_was_put_back_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    aside = set_aside(path)
    path.write_bytes(b"new")
    settle(aside, lambda path: True)
    assert os.listdir(tmp_path) == ["file"]
    assert path.read_bytes() == b"new"


def test_a_removed_vector_is_gone_for_good(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    path = library.path_of(library.add(vector(), noise()))
    entry, inodes = library.entry("glasses"), synced(monkeypatch)
    remove(library.root, library.catalogue, entry.id, entry.noise)
    folder = path.parent if path.parent.exists() else library.root
    assert inodes[0] == folder.stat().st_ino
    remove(library.root, library.catalogue, entry.id, entry.noise)


def test_other_temporary_files_are_nothing_that_was_set_aside(library: Library) -> None:
    path = library.root / noise_key(noise().sha256)
    library.add(vector(), noise())
    for name in (".0123456789abcdef.tmp", ".note.0123456789abcdef.tmp", f".{path.name}.0123.tmp"):
        (path.parent / name).touch()
    assert asides_in(path.parent) == []
    assert recover(path)
    aside = set_aside(path)
    assert asides_in(path.parent) == [aside]
    assert recover(path)
    assert path.exists()
