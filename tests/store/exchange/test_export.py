"""What is exported by any format, and when; what the formats hold is tested beside each."""

from pathlib import Path

import pytest

from sega_store import (
    InvalidInputError,
    Library,
    LibraryError,
    UnknownRefError,
    VectorFileError,
    export_vectors,
    import_vectors,
)
from sega_store.exchange.export import FORMATS
from tests.store.exchange.conftest import said
from tests.store.samples import PREVIEW


def test_the_path_chooses_the_format(full: Library, tmp_path: Path) -> None:
    export_vectors(full, tmp_path / "a.zip")
    export_vectors(full, tmp_path / "a.zarr")
    export_vectors(full, tmp_path / "a.safetensors", ["smile"])
    export_vectors(full, tmp_path / "a")
    assert (tmp_path / "a.zip").read_bytes()[:2] == b"PK"
    assert (tmp_path / "a.zarr" / "zarr.json").is_file()
    assert (tmp_path / "a.safetensors").is_file()
    assert set(Library(tmp_path / "a")) == set(full)
    with pytest.raises(InvalidInputError, match="one vector"):
        export_vectors(full, tmp_path / "b.safetensors")
    with pytest.raises(InvalidInputError, match="format must be"):
        export_vectors(full, tmp_path / "b", format="tar")


def test_a_folder_is_a_library(full: Library, tmp_path: Path) -> None:
    export_vectors(full, tmp_path / "a")
    assert said(Library(tmp_path / "a")) == said(full)
    assert Library(tmp_path / "a")["smile"].preview == PREVIEW
    assert not Library(tmp_path / "a").verify().damages


def test_refs_choose_the_vectors(full: Library, empty: Library, tmp_path: Path) -> None:
    ids = export_vectors(full, tmp_path / "a.zip", ["my smile", "float16", "smile"])
    assert ids == [full.resolve("smile"), full.resolve("float16")]
    assert set(import_vectors(empty, tmp_path / "a.zip").added) == set(ids)
    with pytest.raises(UnknownRefError):
        export_vectors(full, tmp_path / "b.zip", ["hat"])
    assert not (tmp_path / "b.zip").exists()


@pytest.mark.parametrize("format", FORMATS)
def test_equal_vectors_make_equal_exports(format: str, full: Library, tmp_path: Path) -> None:
    def content(path: Path) -> dict[str, bytes]:
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        return {str(p.relative_to(path)): p.read_bytes() for p in files}

    for name in ("a", "b"):
        export_vectors(full, tmp_path / name, format=format)
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_nothing_is_overwritten_and_nothing_left_behind(full: Library, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for name in ("a.zip", "a.zarr", "a", "a.safetensors"):
        (tmp_path / "out" / name).write_text("mine")
        with pytest.raises(InvalidInputError, match="is there already"):
            export_vectors(full, tmp_path / "out" / name, ["smile"])
        (tmp_path / "out" / name).unlink()
    full.path_of("smile").write_bytes(b"")
    for name in ("a.zip", "a.zarr", "a"):
        with pytest.raises(VectorFileError):
            export_vectors(full, tmp_path / "out" / name)
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(LibraryError):
        export_vectors(full, tmp_path / "missing" / "a.zip", ["float16"])


def test_a_damaged_library_is_not_exported_as_if_it_were_whole(full: Library, tmp_path: Path) -> None:
    full.path_of("smile").write_bytes(b"")
    with pytest.raises(VectorFileError):
        export_vectors(Library(full.root), tmp_path / "a.zip")


def test_an_empty_library_has_nothing_to_export(empty: Library, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no vector"):
        export_vectors(empty, tmp_path / "a.zip")
