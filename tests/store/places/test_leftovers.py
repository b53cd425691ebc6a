import shutil
from pathlib import Path

import pytest

from sega_store import Library
from sega_store.places import layout
from tests.store.operations import names
from tests.store.samples import noise, provenance, vector

HALF = ".0123456789abcdef.tmp"


@pytest.fixture
def left(library: Library, tmp_path: Path) -> Library:
    """A library of one vector, with a half-written file, and a noise and an annotation without their vector."""
    library.add(vector(), noise())
    library.path_of("glasses").with_name(HALF).write_bytes(b"half")
    other = Library(tmp_path / "other")
    other.add(vector("smile", facts=provenance(noise(5))), noise(5), name="alone")
    for kind in (layout.NOISE, layout.ANNOTATIONS):
        shutil.copytree(other.root / kind, library.root / kind, dirs_exist_ok=True)
    return library


def age(monkeypatch: pytest.MonkeyPatch, temporary: bool = False, unneeded: bool = False) -> None:
    """Makes all files old enough: the time that is looked at can't be set."""
    if temporary:
        monkeypatch.setattr("sega_store.places.disk.ABANDONED_SECONDS", 0)
    if unneeded:
        monkeypatch.setattr("sega_store.places.leftovers.UNNEEDED_SECONDS", 0)


def test_what_is_young_stays(left: Library) -> None:
    before = names(left.root)
    left.verify()
    assert names(left.root) == before


def test_what_is_old_goes(left: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    before = names(left.root)
    age(monkeypatch, temporary=True)
    left.verify(["glasses"])
    assert names(left.root) == before, "only a verification of all cleans"
    left.verify()
    assert {Path(name).name for name in before - names(left.root)} == {HALF}
    age(monkeypatch, unneeded=True)
    left.verify()
    files = [Path() / layout.vector_key(vector().id), Path() / layout.noise_key(noise().sha256)]
    assert names(left.root) == {path.as_posix() for path in files}


def test_a_writer_removes_half_written_files_of_its_folder(left: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    half = left.path_of("glasses").with_name(HALF)
    aside = half.with_name(f".anything{HALF}")
    aside.write_bytes(b"")
    data = left.path_of("glasses").read_bytes()
    left.path_of("glasses").unlink()
    left.add(vector())
    assert half.exists(), "it is young"
    (left.root / layout.vector_key(vector().id)).unlink()
    age(monkeypatch, temporary=True)
    left.add(vector())
    assert not half.exists()
    assert aside.exists(), "what a removal has set aside is no half-written file"
    assert left.path_of("glasses").read_bytes() == data


def test_what_can_not_be_removed_hinders_nobody(left: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = left.path_of("glasses").parent
    (folder / ".fedcba9876543210.tmp").mkdir()
    (left.root / layout.noise_key(noise().sha256)).with_name(f".{noise().sha256}.zarr.zip{HALF}").mkdir()
    age(monkeypatch, temporary=True, unneeded=True)
    left.path_of("glasses").unlink()
    left.add(vector())
    assert not left.verify().damages
    assert len(left) == 1


def test_no_noise_goes_while_a_vector_can_not_be_read(left: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    path = left.root / layout.vector_key(vector("smile", facts=provenance(noise(5))).id)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    age(monkeypatch, temporary=True, unneeded=True)
    before = names(left.root)
    left.verify()
    assert {Path(name).name for name in before - names(left.root)} == {HALF}


def test_what_only_looks_like_a_leftover_stays(left: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = (left.root / layout.noise_key(noise().sha256)).parent
    strangers = [folder / name for name in (".abc.tmp", ".editor.swp", "notes.tmp", f".notes.txt{HALF}")]
    for stranger in strangers:
        stranger.write_bytes(b"")
    (folder / f"{folder.name}{'0' * 62}.zarr.zip").mkdir()
    age(monkeypatch, temporary=True, unneeded=True)
    left.verify()
    assert all(stranger.exists() for stranger in strangers)
    assert (folder / f"{folder.name}{'0' * 62}.zarr.zip").is_dir()
