"""Every hostile file is refused, wherever it comes in, with one error and in little memory and time."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from sega_store import Library, VectorFileError, copy_vectors, import_vectors, read_noise, read_vector
from sega_store.exchange.parcel import Parcel
from sega_store.files.codec import ALWAYS_BYTES
from sega_store.files.zip_container import pack
from sega_store.places.annotations import read_annotation

from .hostile import (
    FILES,
    HOSTILE_ANNOTATIONS,
    HOSTILE_BUNDLES,
    HOSTILE_FOLDERS,
    HOSTILE_NOISES,
    HOSTILE_VECTORS,
    NOISE,
    NOISE_NAME,
    OTHER,
    SAID_NAME,
    VECTOR,
    VECTOR_NAME,
    as_format_1,
    blocked,
    entries,
    good_folder,
    make_all,
)
from .samples import vector

ROOT = Path(__file__).parents[2]


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return tmp_path / "export"


def refuse(library: Library, path: Path, match: str = "") -> None:
    """Importing the path is refused, and nothing is added or left behind."""
    before = sorted(path.parent.iterdir())
    with pytest.raises(VectorFileError, match=match or None) as caught:
        import_vectors(library, path)
    assert caught.value.file.startswith(str(path))
    assert len(caught.value.problem) <= 1000
    assert not library.root.exists()
    assert sorted(path.parent.iterdir()) == before


def refuse_copy(library: Library, path: Path) -> None:
    """Pulling a folder's vectors is refused, and the hostile one isn't added."""
    with pytest.raises(VectorFileError) as caught:
        copy_vectors(Library(path), library)
    assert caught.value.file.startswith(str(path))
    assert len(caught.value.problem) <= 1000
    assert not library.verify().damages


def refuse_file(library: Library, export: Path, name: str, data: bytes, match: str = "") -> None:
    """A file in a library is refused by all who read it, and the other vector is found as before."""
    good_folder(export)
    for other, good in OTHER.items():
        (export / other).parent.mkdir(parents=True, exist_ok=True)
        (export / other).write_bytes(good)
    (export / name).write_bytes(data)
    received = Library(export)
    assert [entry.id for entry in received.search("smile")] == [received.resolve("smile")]
    assert received["smile"].concept.text == "smile"
    assert [damage.path for damage in received.verify().damages] == [export / name]
    assert {error.file for error in received.catalogue.damaged()} <= {str(export / name)}
    assert all(len(error.problem) <= 1000 for error in received.catalogue.damaged())
    bundle = export.with_suffix(".zip")
    bundle.write_bytes(pack(FILES | OTHER | {name: data}))
    refuse(library, bundle, match)
    refuse_copy(library, export)


@pytest.mark.parametrize("case", HOSTILE_VECTORS)
def test_vectors(case: str, library: Library, export: Path) -> None:
    build, message = HOSTILE_VECTORS[case]
    data = build()
    for source in (data, export.with_suffix(".zarr.zip")):
        if isinstance(source, Path):
            source.write_bytes(data)
        with pytest.raises(VectorFileError, match=message) as caught:
            read_vector(source)
        assert caught.value.file == (str(source) if isinstance(source, Path) else f"<{len(data)} bytes>")
        assert len(caught.value.problem) <= 1000
    refuse_file(library, export, VECTOR_NAME, data, message)
    received = Library(export)
    if VECTOR.id in received:  # what its header says is right
        with pytest.raises(VectorFileError):
            received[VECTOR.id]
    else:
        assert [error.file for error in received.catalogue.damaged()] == [str(export / VECTOR_NAME)]


@pytest.mark.parametrize("case", HOSTILE_NOISES)
def test_noises(case: str, library: Library, export: Path) -> None:
    build, message = HOSTILE_NOISES[case]
    data = build()
    with pytest.raises(VectorFileError, match=message):
        read_noise(data)
    refuse_file(library, export, NOISE_NAME, data, message)
    with pytest.raises(VectorFileError, match=message):
        Library(export).noise(VECTOR.id)


@pytest.mark.parametrize("case", HOSTILE_ANNOTATIONS)
def test_annotations(case: str, library: Library, export: Path) -> None:
    refuse_file(library, export, SAID_NAME, HOSTILE_ANNOTATIONS[case])
    with pytest.raises(VectorFileError):
        read_annotation(export / SAID_NAME)
    assert [error.file for error in Library(export).catalogue.damaged()] == [str(export / SAID_NAME)]


@pytest.mark.parametrize("case", HOSTILE_BUNDLES)
def test_bundles(case: str, library: Library, export: Path) -> None:
    build, message = HOSTILE_BUNDLES[case]
    export.write_bytes(build())
    refuse(library, export, message)


@pytest.mark.parametrize("case", HOSTILE_FOLDERS)
def test_folders(case: str, library: Library, export: Path) -> None:
    good_folder(export)
    HOSTILE_FOLDERS[case](export)
    assert len(Library(export).verify().damages) == 1
    assert len(Library(export).search()) in (0, 1)
    refuse_copy(library, export)


def test_a_vector_of_format_1_is_accepted() -> None:
    assert read_vector(pack(as_format_1(entries(FILES[VECTOR_NAME])))) == VECTOR


def test_what_they_are_made_from_is_accepted(library: Library, tmp_path: Path) -> None:
    good_folder(tmp_path / "a")
    assert copy_vectors(Library(tmp_path / "a"), library).added == (VECTOR.id,)
    (tmp_path / "a.zip").write_bytes(pack(FILES))
    assert import_vectors(Library(tmp_path / "other"), tmp_path / "a.zip").added == (VECTOR.id,)


def test_chunks_made_by_hand_are_accepted() -> None:
    assert read_vector(pack(blocked(entries(FILES[VECTOR_NAME]), "values/c/0", VECTOR.values))) == VECTOR
    noise = read_noise(pack(blocked(entries(FILES[NOISE_NAME]), "noise/c/0/0/0", NOISE.array)))
    assert noise.sha256 == NOISE.sha256


READER = """
import json, os, resource, signal, sys
from sega_store import Library, VectorFileError, copy_vectors, import_vectors
import numcodecs.blosc  # whose size isn't the file's doing

for name, path in json.load(sys.stdin).items():
    child = os.fork()
    if not child:
        signal.alarm(60)
        try:
            library = Library(f"{sys.argv[1]}-{os.getpid()}")
            copy_vectors(Library(path), library) if os.path.isdir(path) else import_vectors(library, path)
        except VectorFileError:
            os._exit(0)
        os._exit(1)
    _, status, used = os.wait4(child, 0)
    print(json.dumps([name, status, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime]))
"""


def cost(paths: Mapping[str, Path], nowhere: Path) -> dict[str, tuple[int, float, float]]:
    """What refusing each path costs a process of its own: exit status, its largest resident set in MiB, CPU seconds."""
    done = subprocess.run(
        [sys.executable, "-c", READER, str(nowhere)],
        input=json.dumps({name: str(path) for name, path in paths.items()}),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    return {name: tuple(rest) for name, *rest in map(json.loads, done.stdout.splitlines())}


def test_memory_and_time_are_bounded(tmp_path: Path) -> None:
    paths = make_all(tmp_path) | {"the largest that 6 kB may ask for": tmp_path / "large"}
    large = Parcel(vector(shape=(1, 1, ALWAYS_BYTES - 16), kept=0))
    paths["the largest that 6 kB may ask for"].write_bytes(pack(dict(large.files())))
    found = cost(paths, tmp_path / "nowhere")
    assert len(found) > 200
    assert [name for name, (status, _, _) in found.items() if status] == ["the largest that 6 kB may ask for"]
    assert {name: mebibytes for name, (_, mebibytes, _) in found.items() if mebibytes > 200} == {}
    assert {name: seconds for name, (_, _, seconds) in found.items() if seconds > 5} == {}
