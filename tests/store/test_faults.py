"""A disk that fails: a clear error, nothing lost, and the next attempt works."""

import errno
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import pytest

from sega_store import GuidanceVector, Library, LibraryError, SegaError, UnknownRefError, export_vectors, import_vectors
from sega_store.places import layout

from . import operations
from .faulty import striking
from .samples import noise, provenance, vector

Unprivileged = Callable[[], AbstractContextManager[None]]


def large(number: int) -> GuidanceVector:
    """A vector of about 35 kB."""
    facts = provenance(noise(1), prompt=f"{number}")
    return vector("large", (9, 4, 16, 16), seed=number, kept=1, facts=facts)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False) if shutil.which("mount") else None
    if done is None or done.returncode:
        pytest.skip(f"a small disk can't be mounted: {done.stderr.strip() if done else 'there is no mount'}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture
def unprivileged() -> Unprivileged:
    """Gives up root's right to write everywhere, for a while."""

    @contextmanager
    def give_up() -> Iterator[None]:
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(user)

    return give_up


@pytest.fixture
def open_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that everybody may reach, unlike `tmp_path`; with a cache that everybody may write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        cache = folder / "cache"
        cache.mkdir()
        cache.chmod(0o777)
        monkeypatch.setenv("SEGA_VEC_CACHE", str(cache))
        yield folder


@pytest.mark.parametrize("stride", [3, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", operations.OPERATIONS)
def test_a_fault_at_a_call(name: str, stride: int, quick_folder: Path) -> None:
    def fail() -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    operation = operations.OPERATIONS[name]
    before, after, files = operations.references(quick_folder, operation)
    for at in count(0, stride):
        library = operations.copy(quick_folder, str(at))
        error: SegaError | None = None
        with striking(at, fail, looks=True) as calls:
            try:
                operation.run(library)
            except SegaError as met:
                error = met
        if len(calls) <= at:
            return
        if not isinstance(error, UnknownRefError | None):  # a vector that can't be read for a moment isn't listed
            assert os.strerror(errno.EIO) in str(error)
        operations.check(operations.state(library), before, after)
        operations.check_end(library, operation, after, files)


def test_a_full_disk(small_disk: Path) -> None:
    library = Library(small_disk / "library")
    kept: list[GuidanceVector] = []

    def fill() -> NoReturn:
        for number in count():
            library.add(large(number), noise(1))
            kept.append(large(number))
        raise AssertionError("count doesn't end")

    with pytest.raises(LibraryError, match="The disk is full: free some space"):
        fill()
    assert len(kept) > 3
    assert not list(library.root.rglob("*.tmp"))
    assert {identity: library[identity] for identity in library} == {each.id: each for each in kept}
    assert not library.verify().damages
    (small_disk / "rest").write_bytes(b"x" * os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize)
    with pytest.raises(LibraryError, match="The disk is full"):
        library.annotate(kept[0].id, notes="more")
    assert library.entry(kept[0].id).notes == ""
    library.remove(kept[1].id)  # that much is possible on a full disk
    library.add(kept[1])
    assert len(library) == len(kept)


def test_an_import_to_a_full_disk_is_taken_back(small_disk: Path, library: Library, tmp_path: Path) -> None:
    for number in range(10):
        library.add(large(number), noise(1))
    export_vectors(library, tmp_path / "all.zip")
    small = Library(small_disk / "library")
    small.add(large(3), noise(1))
    with pytest.raises(LibraryError, match="The disk is full"):
        import_vectors(small, tmp_path / "all.zip")
    assert list(small) == [large(3).id]
    assert small.noise(large(3).id) == noise(1)


def test_a_catalogue_on_a_full_disk(small_disk: Path, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = library.add(vector(), noise())
    monkeypatch.setenv("SEGA_VEC_CACHE", str(small_disk / "cache"))
    rest = small_disk / "rest"
    rest.write_bytes(b"x" * os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize)
    library = Library(library.root)
    assert list(library) == [identity], "from a catalogue in memory"
    other = library.add(vector("smile"), noise())
    assert set(library) == {identity, other}
    rest.unlink()
    assert set(library) == {identity, other}


def test_a_read_only_library(open_folder: Path, unprivileged: Unprivileged) -> None:
    library = Library(open_folder / "library")
    identity = library.add(vector(), noise(), name="mine")
    library.remove(library.add(vector("gone"), noise()))
    half = library.path_of("mine").with_name(".0123456789abcdef.tmp")
    half.write_bytes(b"half")
    used = library.root / layout.noise_key(noise().sha256)
    used.with_name(f".{noise(5).sha256}.zarr.zip.0123456789abcdef.tmp").write_bytes(b"unneeded")
    shutil.rmtree(open_folder / "cache" / "catalogues")
    assert not Library(library.root / "nothing").verify().damages  # so that what it imports is there
    shutil.rmtree(open_folder / "cache" / "catalogues")
    before = operations.names(library.root)
    attempts: list[Callable[[], object]] = [
        lambda: library.add(vector("smile"), noise()),
        lambda: library.annotate("mine", rating=5),
        lambda: library.remove("mine"),
    ]
    with unprivileged(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("sega_store.places.disk.ABANDONED_SECONDS", 0)
        assert library.entry("mine").id == identity
        for attempt in attempts:
            with pytest.raises(LibraryError, match="Give yourself write permission"):
                attempt()
        assert not library.verify().damages
        assert library["mine"] == vector()
        assert library.noise("mine") == noise()
    assert operations.names(library.root) == before


def test_a_catalogue_that_can_not_be_written(open_folder: Path, unprivileged: Unprivileged) -> None:
    library = Library(open_folder / "library")
    identity = library.add(vector())
    assert list(library) == [identity]
    (open_folder / "cache").chmod(0o755)
    with unprivileged():
        assert list(library) == [identity]
    shutil.rmtree(open_folder / "cache" / "catalogues")
    with unprivileged():
        assert list(library) == [identity]
        assert library.search("glass")[0].id == identity
    assert not list((open_folder / "cache").iterdir())
    assert list(library) == [identity]


def test_a_full_disk_with_library_and_cache_on_it(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library(small_disk / "library")
    ids = [library.add(large(number), noise(1)) for number in range(2)]
    with suppress(OSError), (small_disk / "ballast").open("wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()
    monkeypatch.setenv("SEGA_VEC_CACHE", str(small_disk / "cache"))
    full = Library(small_disk / "library")
    assert set(full) == set(ids)
    full.remove(ids[0])
    assert list(full) == [ids[1]]
    assert full.noise(ids[1]) == noise(1)


def test_a_file_too_large_for_the_system(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> NoReturn:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(LibraryError, match="raise the limit"):
        library.add(vector())


@pytest.mark.parametrize("kind", [layout.VECTORS, layout.ANNOTATIONS])
def test_a_file_that_can_not_be_read_for_a_moment_comes_back(
    kind: str, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = library.add(vector(), name="mine")
    path = library.root / layout.vector_key(identity)
    if kind == layout.ANNOTATIONS:
        path = library.root / layout.annotation_key(identity)
    for folder in library.root.glob("*/*"):
        os.utime(folder, (0, 0))  # as if it had settled
    opened = Path.open

    def fail(self: Path, *arguments: Any, **options: Any) -> Any:
        if self == path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return opened(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", fail)
        library.catalogue.rebuild()
        with pytest.raises(UnknownRefError, match=f"1 files can't be listed; the first is {path}"):
            library.resolve("mine")
    assert library.resolve("mine") == identity


def test_catalogues_of_killed_processes_go(library: Library, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = library.add(vector())
    assert list(library) == [identity]
    (catalogue,) = cache.rglob("catalogue.sqlite")
    left = catalogue.parent.with_name("0123456789abcdef")
    shutil.copytree(catalogue.parent, left)
    monkeypatch.setattr("sega_store.library.catalogue.ABANDONED_SECONDS", 0)
    catalogue.write_bytes(b"garbage" * 2000)
    assert list(library) == [identity]
    assert not left.exists()
    assert not catalogue.parent.exists()
    assert len(list(cache.rglob("catalogue.sqlite"))) == 1


def test_a_catalogue_of_another_version_is_built_again(library: Library, cache: Path) -> None:
    identity = library.add(vector())
    assert list(library) == [identity]
    (catalogue,) = cache.rglob("catalogue.sqlite")
    with closing(sqlite3.connect(catalogue)) as db:
        db.execute("INSERT INTO vectors (id) VALUES ('of a folder that is not there')")
        db.execute("PRAGMA user_version = 0")
        db.commit()
    assert list(library) == [identity]
