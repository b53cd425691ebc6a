"""What goes out by any format comes back as it was, or not at all."""

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from sega_store import (
    GuidanceVector,
    InvalidInputError,
    Library,
    LibraryError,
    UnknownRefError,
    VectorFileError,
    export_vectors,
    import_vectors,
)
from sega_store.exchange import export as exchange
from sega_store.exchange.export import FORMATS
from sega_store.exchange.parcel import Parcel, parcel_of
from sega_store.files.header import read_header
from sega_store.files.zip_container import pack
from sega_store.places.layout import vector_key
from sega_store.records.annotation import Annotation
from tests.store.hostile import as_format_1, entries
from tests.store.samples import PREVIEW, RECOMMENDED, noise, of_no_noise, provenance, vector, vectors

PATHS = {"zip": "vectors.zip", "folder": "vectors", "zarr": "vectors.zarr", "safetensors": "tensors"}


def fill(library: Library) -> Library:
    """Vectors of each dtype, with and without noise, preview and annotation."""
    for dtype in ("float32", "float16", "bfloat16"):
        library.add(vector(dtype, dtype=dtype, facts=provenance(noise(dtype=dtype))), noise(dtype=dtype))
    library.add(vector("smile", shape=(3, 2, 2, 4, 4)).with_preview(PREVIEW), noise(), name="my smile")
    library.annotate("smile", tags=["b", "a"], rating=4, notes="two\nlines, ünïcode")
    library.add(vector("empty", kept=0, facts=provenance(noise(8))))
    library.annotate(library.add(of_no_noise("distilled")), recommended=RECOMMENDED)
    return library


def said(library: Library) -> dict[str, tuple[Any, ...]]:
    """All that a library holds, by id."""
    rows = {
        row.id: (row.name, row.tags, row.rating, row.notes, library.recommended(row.id)) for row in library.search()
    }
    parcels = [parcel_of(library.files, identity) for identity in library]
    return {p.vector.id: (p.vector.provenance, p.noise, p.noise and p.noise.facts, rows[p.vector.id]) for p in parcels}


@pytest.fixture
def full(library: Library) -> Library:
    return fill(library)


@pytest.fixture
def empty(tmp_path: Path) -> Library:
    return Library(tmp_path / "empty")


@pytest.mark.parametrize("format", PATHS)
def test_it_all_comes_back(format: str, full: Library, empty: Library, tmp_path: Path) -> None:
    path = tmp_path / PATHS[format]
    steps: list[None] = []
    ids = export_vectors(full, path, format=format, step=lambda: steps.append(None))
    assert set(ids) == set(full)
    assert len(steps) == len(ids)
    done = import_vectors(empty, path)
    assert (set(done.added), done.held, done.unnamed) == (set(ids), (), ())
    assert said(empty) == said(full)
    assert not empty.verify().damages
    if format != "safetensors":
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


@pytest.mark.parametrize("format", FORMATS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(v=vectors())
def test_any_vector_comes_back_to_the_bit(
    format: str, v: GuidanceVector, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("export") / PATHS[format]
    FORMATS[format].write(path, [Parcel(v, noise(), Annotation(notes="x"))])
    (parcel,) = FORMATS[format].read(path)
    assert parcel.vector.id == v.id
    assert parcel.vector.values.tobytes() == v.values.tobytes()
    assert parcel.vector.provenance == v.provenance
    assert parcel.noise == noise()
    assert parcel.annotation == Annotation(notes="x")


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


def test_refs_choose_the_vectors(full: Library, empty: Library, tmp_path: Path) -> None:
    ids = export_vectors(full, tmp_path / "a.zip", ["my smile", "float16", "smile"])
    assert ids == [full.resolve("smile"), full.resolve("float16")]
    assert set(import_vectors(empty, tmp_path / "a.zip").added) == set(ids)
    with pytest.raises(UnknownRefError):
        export_vectors(full, tmp_path / "b.zip", ["hat"])
    assert not (tmp_path / "b.zip").exists()


@pytest.mark.parametrize("format", PATHS)
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
    """Changes the last vector of an export, so that the others come before it."""
    file = path if path.is_file() else max(p for p in path.rglob("*") if p.is_file() and p.stat().st_size > 300)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)


@pytest.mark.parametrize("format", PATHS)
def test_nothing_is_added_unless_all_is_well(format: str, full: Library, empty: Library, tmp_path: Path) -> None:
    export_vectors(full, tmp_path / "a", format=format)
    damage(tmp_path / "a")
    with pytest.raises(VectorFileError, match="/a"):
        import_vectors(empty, tmp_path / "a")
    assert not empty.root.exists()


def test_what_was_added_is_taken_back(
    full: Library, empty: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Changing:
        """An export that is damaged between the check and the import."""

        reads = 0

        def write(self, path: Path, parcels: Iterable[Parcel]) -> None:
            raise NotImplementedError

        def read(self, path: Path) -> Any:
            self.reads += 1
            for count, identity in enumerate(full):
                if self.reads == 2 and count == 3:
                    raise VectorFileError(str(path), "has changed")
                yield parcel_of(full.files, identity)

    monkeypatch.setitem(exchange.FORMATS, "folder", Changing())
    (tmp_path / "a").mkdir()
    kept = empty.add(vector("kept"))
    with pytest.raises(VectorFileError, match="has changed"):
        import_vectors(empty, tmp_path / "a")
    assert list(empty) == [kept]


def test_a_library_can_be_imported_as_it_is(full: Library, empty: Library) -> None:
    import_vectors(empty, full.root)
    assert said(empty) == said(full)


def test_what_is_no_export_is_refused(empty: Library, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("hello")
    (tmp_path / "x.safetensors").write_text("hello")
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "text", "x.safetensors", "pipe", "nothing"):
        with pytest.raises(VectorFileError, match=name):
            import_vectors(empty, tmp_path / name)


def test_facts_too_long_for_a_format_are_refused_when_written(library: Library, tmp_path: Path) -> None:
    facts = replace(provenance(), versions={str(n): "x" * 20 for n in range(32_000)})
    library.add(vector(facts=facts))
    assert len(json.dumps(facts.to_json())) > 800_000
    for name in ("a.zarr", "a.safetensors"):
        with pytest.raises(InvalidInputError, match="too long"):
            export_vectors(library, tmp_path / name)
    export_vectors(library, tmp_path / "a.zip")
