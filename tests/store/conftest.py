"""What the store's tests share: an empty library with its own cache."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sega_store import Library


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of catalogues; never the user's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SEGA_VEC_CACHE", str(folder))
    return folder


@pytest.fixture
def quick_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in memory, where there is such a thing: for what waits for a disk a thousand times."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as name:
        monkeypatch.setenv("SEGA_VEC_CACHE", f"{name}/cache")
        yield Path(name)


@pytest.fixture
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Library:
    """An empty library, whose folder isn't there yet; with the parameter `s3`, one in an object store."""
    if getattr(request, "param", "folder") == "s3":
        return Library(f"s3://{request.getfixturevalue('s3').bucket}/library")
    return Library(tmp_path / "library")
