"""What the store's tests share: an empty library with its own cache."""

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
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Library:
    """An empty library, whose folder isn't there yet; with the parameter `s3`, one in an object store."""
    if getattr(request, "param", "folder") == "s3":
        return Library(f"s3://{request.getfixturevalue('s3').bucket}/library")
    return Library(tmp_path / "library")
