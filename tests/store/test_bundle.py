"""What zip libraries read, and what a stranger may try."""

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sega_store import InvalidInputError, Library, VectorFileError, bundle, import_vectors
from sega_store.annotation import Annotation
from sega_store.container import pack
from sega_store.parcel import Parcel

from .samples import noise, vector

PARCELS = [Parcel(vector("glasses"), noise(), Annotation("mine")), Parcel(vector("smile"), noise())]
FILES = {name: data for parcel in PARCELS for name, data in parcel.files()}
VECTOR, NOISE = next(name for name in FILES if name.startswith("v")), next(name for name in FILES if name[0] == "n")
GOOD = pack(FILES)

Change = Callable[[zipfile.ZipFile], None]


def by_zipfile(change: Change) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in FILES.items():
            archive.writestr(zipfile.ZipInfo(name), data)
        change(archive)
    return buffer.getvalue()


def entry(name: str, data: bytes = b"x", mode: int = 0o100644) -> Change:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return lambda archive: archive.writestr(info, data)


def renamed(name: str) -> bytes:
    """The good bundle with one more entry, canonical but for its name."""
    return pack({**FILES, name: FILES[VECTOR]})


def twice() -> bytes:
    local = GOOD[: GOOD.index(b"PK\x01\x02")]
    return local + GOOD


def declaring(size: int) -> bytes:
    """An entry whose header promises a size that isn't there."""
    data = bytearray(pack({VECTOR: FILES[VECTOR]}))
    struct.pack_into("<2I", data, 18, size, size)
    return bytes(data)


def annotated(data: bytes) -> bytes:
    said = next(name for name in FILES if name.startswith("annotations"))
    return pack({**FILES, said: data})


HOSTILE = {
    "traversal": renamed("../../etc/passwd"),
    "traversal below": renamed(f"vectors/../{VECTOR}"),
    "absolute": renamed(f"/{VECTOR}"),
    "backslashes": renamed(VECTOR.replace("/", "\\")),
    "a drive": renamed(f"C:{VECTOR}"),
    "upper case": renamed(VECTOR.replace(VECTOR.split("/")[2], VECTOR.split("/")[2].upper())),
    "another folder": renamed(VECTOR.replace("vectors/", "vectors/0")),
    "a line break": renamed(f"{VECTOR}\n"),
    "an escape": renamed("\x1b[2J"),
    "a null": renamed(f"{VECTOR}\0"),
    "a catalogue": renamed("catalogue.sqlite"),
    "a long name": renamed("a" * 60_000),
    "symlink": by_zipfile(entry("link", b"/etc/passwd", 0o120777)),
    "symlink for a vector": by_zipfile(entry(VECTOR.replace("vectors/", "vectors/", 1)[:-9], b"/etc/passwd", 0o120777)),
    "folder": by_zipfile(lambda archive: archive.mkdir("vectors")),
    "deflate bomb": by_zipfile(lambda archive: archive.writestr("a", bytes(100 << 20), zipfile.ZIP_DEFLATED)),
    "made by another program": by_zipfile(lambda archive: None),
    "comment": GOOD[:-2] + b"\x05\0hello",
    "duplicate": twice(),
    "prefix": b"junk" + GOOD,
    "suffix": GOOD + b"junk",
    "two bundles": GOOD + GOOD,
    "cut off": GOOD[:-30],
    "no directory": GOOD[: GOOD.index(b"PK\x01\x02")],
    "promises 1 GiB": declaring(1 << 30),
    "promises 4 GiB": declaring((1 << 32) - 1),
    "another's name": pack({VECTOR: next(data for name, data in FILES.items() if name[0] == "v" and name != VECTOR)}),
    "a noise as a vector": pack({VECTOR: FILES[NOISE]}),
    "another's noise": pack({**FILES, NOISE: next(d for n, d in Parcel(vector(), noise(3)).files() if n[0] == "n")}),
    "a damaged vector": pack({**FILES, VECTOR: FILES[VECTOR].replace(b"glasses", b"glosses")[:-1]}),
    "a large annotation": annotated(b"x" * 70_000),
    "a deep annotation": annotated(b"[" * 30_000),
    "a false annotation": annotated(b'{"format":1,"name":"\\u001b[2J","notes":"","rating":null,"tags":[]}'),
    "empty": b"",
    "no entries": pack({}),
}


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < limit


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bundles_are_refused(name: str, library: Library, tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(HOSTILE[name])
    with memory_below(4 << 20), pytest.raises(VectorFileError) as caught:
        import_vectors(library, path)
    assert caught.value.file.startswith(str(path))
    assert not library.root.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bundle.zip"]


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
