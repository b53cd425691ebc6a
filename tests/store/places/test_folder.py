"""A library's files in a folder."""

from pathlib import Path

import pytest

from sega_store import InvalidInputError, LibraryError
from sega_store.files.regular_file import at_most
from sega_store.places.folder import Folder
from sega_store.places.layout import vector_key

KEY = vector_key(f"{'a' * 64}.{'b' * 64}")


def test_bytes_by_key(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "library")
    assert not folder.exists(KEY)
    assert folder.publish(KEY, b"first")
    assert not folder.publish(KEY, b"second")
    assert folder.read(KEY, at_most(9)) == b"first"
    assert folder.beginning(KEY, 2) == (b"fi", 5)
    folder.replace(KEY, b"third")
    assert folder.read(KEY, at_most(9)) == b"third"
    assert list(folder.keys("vectors/")) == list(folder.keys(KEY)) == [KEY]
    with pytest.raises(InvalidInputError, match="more than the limit"):
        folder.read(KEY, at_most(2))


def test_taking_out(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "library")
    folder.publish(KEY, b"data")
    copy = folder.take_out(KEY, tmp_path / "aside", keep=True)
    assert folder.exists(KEY)
    moved = folder.take_out(KEY, tmp_path / "aside", keep=False)
    assert copy != moved
    assert copy.read_bytes() == moved.read_bytes() == b"data"
    assert not folder.exists(KEY)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LibraryError, match="A library is a folder"):
        Folder(tmp_path / "file")
