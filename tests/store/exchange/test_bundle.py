"""What zip libraries read; what a stranger may try is in test_hostile."""

import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sega_store import InvalidInputError, Library, VectorFileError
from sega_store.exchange import bundle
from sega_store.exchange.parcel import Parcel
from sega_store.files.zip_container import pack
from sega_store.records.annotation import Annotation
from tests.store.samples import noise, vector

PARCELS = [Parcel(vector("glasses"), noise(), Annotation("mine")), Parcel(vector("smile"), noise())]
FILES = {name: data for parcel in PARCELS for name, data in parcel.files()}
VECTOR, NOISE = next(name for name in FILES if name.startswith("v")), next(name for name in FILES if name[0] == "n")
GOOD = pack(FILES)


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < limit


def test_every_kind_of_flip_is_found(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    for position in range(0, len(GOOD), 97):
        damaged = bytearray(GOOD)
        damaged[position] ^= 16
        path.write_bytes(damaged)
        with pytest.raises(VectorFileError):
            list(bundle.read(path))


def test_zip_libraries_read_it(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    bundle.write(path, PARCELS)
    assert path.read_bytes() == GOOD
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == FILES
        archive.extractall(tmp_path / "library")
    assert {vector.concept.text for vector in Library(tmp_path / "library").values()} == {"glasses", "smile"}


def test_a_noise_is_there_once(tmp_path: Path) -> None:
    assert sum(name.startswith("noise/") for name in FILES) == 1
    path = tmp_path / "bundle.zip"
    bundle.write(path, PARCELS)
    assert [parcel.noise for parcel in bundle.read(path)] == [noise(), noise()]


def test_one_vector_at_a_time_is_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    bundle.write(path, (Parcel(vector(str(n), shape=(20, 4, 32, 32), seed=n)) for n in range(12)))
    size = path.stat().st_size
    assert size > 1_000_000
    with memory_below(size):
        assert sum(1 for _ in bundle.read(path)) == 12


def test_what_a_zip_can_not_hold_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_BUNDLE_ENTRIES", 2)
    with pytest.raises(InvalidInputError, match="Export fewer vectors"):
        bundle.write(tmp_path / "bundle.zip", PARCELS)
