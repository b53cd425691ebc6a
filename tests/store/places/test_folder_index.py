"""Bringing the catalogue up to date: what is read, in which order rows come, and what is told meanwhile."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sega_store import GuidanceVector, Library, VectorFileError, write_vector
from sega_store.files import header
from sega_store.places import folder_index
from sega_store.places.layout import annotation_key, vector_key
from sega_store.records.annotation import Annotation
from tests.store.samples import provenance, vector


def created(moment: str, prompt: str, text: str = "glasses") -> GuidanceVector:
    """A vector of a moment."""
    return vector(text, facts=replace(provenance(prompt=prompt), created=moment))


def put(library: Library, v: GuidanceVector) -> str:
    """Puts a file in a library's folder, without the syncs of `add`."""
    path = library.root / vector_key(v.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_vector(v))
    return v.id


def test_the_newest_are_first_in_every_listing(library: Library) -> None:
    moments = [
        "0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z",
        "2026-01-01T00:00:00.000002Z", "2026-01-01T02:00:00+01:00", "9999-12-31T23:59:59.999999Z",
    ]  # fmt: skip
    order = [3, 0, 6, 1, 5, 2, 4]
    ids = {at: put(library, created(moments[at], f"a portrait, number {at}")) for at in order}
    newest = [ids[at] for at in reversed(range(len(moments)))]
    listings: dict[str, Callable[..., Any]] = {
        "all": library.search,
        "text": lambda **few: library.search("portr numb", **few),
        "concept": lambda **few: library.search(concept="glasses", **few),
        "model": lambda **few: library.search(model="embedded", **few),
        "text and both": lambda **few: library.search("portr", concept="glasses", model="embedded", **few),
        "noise": lambda **few: library.search(noise=provenance().noise.sha256, **few),
        "start of a noise": lambda **few: library.search(noise=provenance().noise.sha256[:5], **few),
    }
    for name, listing in listings.items():
        assert [row.id for row in listing()] == newest, name
        assert [row.id for row in listing(limit=3)] == newest[:3], name
    assert list(library) == newest


def test_many_of_one_moment_are_all_listed(library: Library) -> None:
    ids = {put(library, created("2026-01-01T00:00:00Z", str(number))) for number in range(300)}
    ids |= {put(library, vector(seed=seed, facts=created("2026-01-01T00:00:00Z", "").provenance)) for seed in range(50)}
    before = put(library, created("2025-12-31T23:59:59.999Z", "before"))
    after = put(library, created("2026-01-01T00:00:00.001Z", "after"))
    listed = list(library)
    assert (listed[0], set(listed[1:-1]), listed[-1]) == (after, ids, before)


def test_a_filter_by_a_text_compares_it_whole(library: Library) -> None:
    ids = [
        put(library, created("2026-01-01T00:00:00Z", "x", text)) for text in ("red hair", "red-hair", "hair red", "!")
    ]
    assert [row.id for row in library.search("x", concept="red hair")] == ids[:1]
    assert [row.id for row in library.search("x", concept="!")] == ids[3:]
    assert library.search("x", concept="hair") == []
    assert library.search("x", concept="Red hair") == []


def test_a_long_word_is_found_by_its_beginning(library: Library) -> None:
    identity = put(library, created("2026-01-01T00:00:00Z", "pneumonoultramicroscopicsilicovolcanoconiosis"))
    for length in (1, 2, 15, 16, 17, 30, 45):
        assert [row.id for row in library.search("pneumonoultramicroscopicsilicovolcanoconiosis"[:length])] == [
            identity
        ]
    assert library.search("pneumonoultramicroscopix") == []


def test_only_new_files_are_read_and_told(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [put(library, created("2026-01-01T00:00:00Z", str(number))) for number in range(20)]
    (library.root / vector_key(f"{ids[0][:2]}{'0' * 62}.{'0' * 64}")).write_bytes(b"damaged")
    read: list[str] = []
    header_of = header.read_header

    def reading(path: Any) -> Any:
        read.append(os.fspath(path))
        return header_of(path)

    monkeypatch.setattr(folder_index, "read_header", reading)
    steps: list[None] = []
    library.catalogue.refresh(lambda: steps.append(None))
    assert len(steps) == len(read) == 21
    time.sleep(folder_index.SETTLED_NS / 1e9)
    library.catalogue.refresh()
    read.clear()
    library.catalogue.refresh()
    assert not read  # the damaged one neither: a hostile file may take long
    new = put(library, created("2026-01-02T00:00:00Z", "new"))
    read.clear()
    library.catalogue.refresh()
    assert str(library.root / vector_key(new)) in read
    assert not {str(library.root / vector_key(identity)) for identity in ids} & set(read)
    assert [type(error) for error in library.catalogue.damaged()] == [VectorFileError]


def test_an_older_catalogue_is_built_again(library: Library, cache: Path) -> None:
    identity = put(library, vector())
    assert list(library) == [identity]
    (path,) = cache.rglob("catalogue.sqlite")
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE vectors")
        db.execute("PRAGMA user_version = 1")
    db.close()
    assert list(library) == [identity]


@pytest.mark.parametrize("target", ["itself", "nowhere"])
@pytest.mark.parametrize("key_of", [vector_key, annotation_key])
def test_a_link_that_leads_to_no_file_is_damaged(library: Library, target: str, key_of: Callable[[str], str]) -> None:
    identity = library.add(vector())
    if key_of is annotation_key:
        library.annotate(identity, notes="seen")
    path = library.root / key_of(identity)
    path.unlink()
    path.symlink_to(path.name if target == "itself" else "nowhere")
    assert [error.file for error in library.catalogue.damaged()] == [str(path)]


@pytest.mark.parametrize("kind", ["vectors", "annotations"])
def test_copies_that_restore_times_are_noticed(
    library: Library, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `rsync -a --delete` leaves a folder: other entries, the times of before."""
    other = Library(tmp_path / "other")
    gone, came = vector("glasses"), vector("smile")
    library.add(gone, name="mine")
    other.add(came, name="theirs")
    settled = time.time_ns() + 60_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: settled)
    assert [entry.name for entry in library.catalogue.page()] == ["mine"]
    folders = {p: p.stat() for p in library.root.rglob("*") if p.is_dir()}
    for file in [p for p in library.root.rglob("*") if p.is_file()]:
        file.unlink()
    shutil.copytree(other.root, library.root, dirs_exist_ok=True)
    for folder, stat in folders.items():
        os.utime(folder, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    entry = library.catalogue.page()[0]
    assert [e.id for e in library.catalogue.page()] == [came.id]
    assert (entry.concept, entry.name) == ("smile", "theirs")


def test_an_annotation_restored_in_place_is_noticed(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = library.add(vector("glasses"), name="mine")
    settled = time.time_ns() + 60_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: settled)
    assert library.entry("mine").id == identity
    path = library.root / annotation_key(identity)
    stat, folder = path.stat(), path.parent.stat()
    path.write_bytes(Annotation(name="yours").to_bytes())
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (path.parent / "x").touch()
    (path.parent / "x").unlink()
    os.utime(path.parent, ns=(folder.st_atime_ns, folder.st_mtime_ns))
    assert library.entry("yours").id == identity


def test_verify_heals_a_catalogue_that_nothing_else_tells(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a snapshot is rolled back: even the times of status are those of before."""
    kept, lost = (library.add(vector(text)) for text in ("glasses", "smile"))
    settled = time.time_ns() + 60_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: settled)
    assert len(library) == 2
    monkeypatch.setattr(folder_index, "_state", lambda _stat: "as before")
    library.catalogue.rebuild()
    (library.root / vector_key(lost)).unlink()
    assert len(library) == 2, "nothing tells"
    library.verify()
    assert list(library) == [kept]
