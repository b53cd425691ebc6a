"""What goes out as a bundle comes back as it was, or not at all."""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from sega_store import GuidanceVector, Library, VectorFileError, copy_vectors, export_vectors, import_vectors
from sega_store.exchange import bundle
from sega_store.exchange.parcel import Parcel, parcel_of
from sega_store.files.header import read_header
from sega_store.files.zip_container import pack
from sega_store.places.layout import vector_key
from sega_store.records.annotation import Annotation
from tests.store.exchange.conftest import said
from tests.store.hostile import as_format_1, entries
from tests.store.samples import PREVIEW, noise, vector, vectors


def test_it_all_comes_back(full: Library, empty: Library, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    steps: list[None] = []
    ids = export_vectors(full, path, step=lambda: steps.append(None))
    assert set(ids) == set(full)
    assert len(steps) == len(ids)
    done = import_vectors(empty, path)
    assert (set(done.added), done.held, done.unnamed) == (set(ids), (), ())
    assert said(empty) == said(full)
    assert not empty.verify().damages
    assert empty["smile"].preview == PREVIEW
    again = import_vectors(empty, path)
    assert (again.added, set(again.held)) == ((), set(ids))
    assert said(empty) == said(full)


def test_a_file_of_format_1_goes_on_in_format_2(full: Library, empty: Library, tmp_path: Path) -> None:
    identity = full.resolve("smile")
    old = dict(parcel_of(full.files, identity).files())
    old[vector_key(identity)] = pack(as_format_1(entries(old[vector_key(identity)])))
    (tmp_path / "a.zip").write_bytes(pack(old))
    assert import_vectors(empty, tmp_path / "a.zip").added == (identity,)
    assert empty[identity] == full[identity]
    assert read_header(empty.root / vector_key(identity))[0].format == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(v=vectors())
def test_any_vector_comes_back_to_the_bit(v: GuidanceVector, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("export") / "a.zip"
    bundle.write(path, [Parcel(v, noise(), Annotation(notes="x"))])
    (parcel,) = bundle.read(path)
    assert parcel.vector.id == v.id
    assert parcel.vector.values.tobytes() == v.values.tobytes()
    assert parcel.vector.provenance == v.provenance
    assert parcel.noise == noise()
    assert parcel.annotation == Annotation(notes="x")


def test_what_the_library_says_stays(full: Library, empty: Library, tmp_path: Path) -> None:
    export_vectors(full, tmp_path / "a.zip", ["smile"])
    empty.add(full["smile"], name="mine")
    done = import_vectors(empty, tmp_path / "a.zip")
    assert len(done.held) == 1
    (row,) = empty.search()
    assert (row.name, row.tags) == ("mine", ())
    assert empty.noise("smile") == noise(), "but the noise that it lacked comes in"


def test_a_name_that_is_taken_stays_with_its_owner(full: Library, empty: Library, tmp_path: Path) -> None:
    export_vectors(full, tmp_path / "a.zip", ["smile"])
    owner = empty.add(vector("other"), name="my smile")
    done = import_vectors(empty, tmp_path / "a.zip")
    assert done.unnamed == done.added
    assert empty.resolve("my smile") == owner
    assert {row.tags for row in empty.search(concept="smile")} == {("a", "b")}


def damage(path: Path) -> None:
    """Changes the last vector of a bundle, so that the others come before it."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def test_nothing_is_added_unless_all_is_well(full: Library, empty: Library, tmp_path: Path) -> None:
    export_vectors(full, tmp_path / "a", format="zip")
    damage(tmp_path / "a")
    with pytest.raises(VectorFileError, match="/a"):
        import_vectors(empty, tmp_path / "a")
    assert not empty.root.exists()


def test_what_was_added_is_taken_back(
    full: Library, empty: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = iter((len(full), 3))

    def read(path: Path) -> Iterator[Parcel]:
        """A bundle that is damaged between the check and the import."""
        count = next(reads)
        yield from (parcel_of(full.files, identity) for identity in list(full)[:count])
        if count < len(full):
            raise VectorFileError(str(path), "has changed")

    monkeypatch.setattr(bundle, "read", read)
    kept = empty.add(vector("kept"))
    with pytest.raises(VectorFileError, match="has changed"):
        import_vectors(empty, tmp_path / "a.zip")
    assert list(empty) == [kept]


def test_what_is_no_bundle_is_refused(library: Library, empty: Library, tmp_path: Path) -> None:
    library.add(vector())
    for name in ("a.zarr", "a.safetensors", "folder"):
        export_vectors(library, tmp_path / name)
    (tmp_path / "text").write_text("hello")
    os.mkfifo(tmp_path / "pipe")
    for name in ("a.zarr", "a.safetensors", "folder", "text", "pipe", "nothing"):
        with pytest.raises(VectorFileError, match=f"{name}.*pull a library's folder or URL"):
            import_vectors(empty, tmp_path / name)
    assert not empty.root.exists()


def test_a_name_that_would_hide_a_concept_is_left_out(full: Library, empty: Library, tmp_path: Path) -> None:
    export_vectors(full, tmp_path / "a.zip", ["smile"])
    kept = empty.add(vector("my smile"))
    assert import_vectors(empty, tmp_path / "a.zip").unnamed == (full.resolve("smile"),)
    assert empty.resolve("my smile") == kept


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_bundle_that_was_packed_again_is_refused_and_the_remedy_works(
    full: Library, empty: Library, tmp_path: Path, compression: int
) -> None:
    export_vectors(full, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path / "folder")
    with zipfile.ZipFile(tmp_path / "again.zip", "w", compression) as archive:
        for file in (tmp_path / "folder").rglob("*"):
            archive.write(file, file.relative_to(tmp_path / "folder"))
    with pytest.raises(VectorFileError, match=r"packed again, unzip .* and pull the folder that vectors/ is in"):
        import_vectors(empty, tmp_path / "again.zip")
    with zipfile.ZipFile(tmp_path / "again.zip") as archive:
        archive.extractall(tmp_path / "unzipped")
    assert set(copy_vectors(Library(tmp_path / "unzipped"), empty).added) == set(full)
    assert not empty.verify().damages
