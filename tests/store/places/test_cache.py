import os
from pathlib import Path

import pytest

from sega_store.places.cache import Cache


def test_copies_are_kept_and_dropped(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    assert cache.get("vectors/aa/x.zarr.zip") is None
    cache.put("vectors/aa/x.zarr.zip", b"1")
    assert cache.get("vectors/aa/x.zarr.zip") == b"1"
    cache.discard("vectors/aa/x.zarr.zip")
    cache.discard("vectors/aa/x.zarr.zip")
    assert cache.get("vectors/aa/x.zarr.zip") is None


def test_what_was_used_longest_ago_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGA_VEC_CACHE_BYTES", "1000")
    cache = Cache(tmp_path)
    for number in range(10):
        cache.put(f"{number}.zarr.zip", bytes(100))
        os.utime(tmp_path / f"{number}.zarr.zip", (number, number))
    assert cache.get("0.zarr.zip") == bytes(100)  # and so it is the one that was used last
    cache.put("new.zarr.zip", bytes(250))
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"0.zarr.zip", "new.zarr.zip", *(f"{number}.zarr.zip" for number in range(4, 10))}


def test_the_limit_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGA_VEC_CACHE_BYTES", "150")
    cache = Cache(tmp_path)
    for name in ("a.x", "b.x"):
        cache.put(name, bytes(100))
    assert len(list(tmp_path.iterdir())) == 1


def test_a_disk_that_cannot_be_written_costs_nothing_but_the_copy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = Cache(tmp_path / "file")
    cache.put("a.x", b"1")
    assert cache.get("a.x") is None
