import os
import pickle
import shutil
import subprocess
import sys
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sega_store import (
    AmbiguousRefError,
    GuidanceVector,
    InvalidInputError,
    Library,
    LibraryError,
    Selection,
    UnknownRefError,
    VectorFileError,
    write_noise,
    write_vector,
)
from sega_store.files.regular_file import at_most
from sega_store.files.zip_container import pack
from sega_store.places import layout
from sega_store.places.folder import Folder
from tests.store.hostile import as_format_1, entries
from tests.store.samples import PREVIEW, RECOMMENDED, noise, of_no_noise, provenance, vector

ROOT = Path(__file__).parents[3]

everywhere = pytest.mark.parametrize("library", ["folder", "s3"], indirect=True)


def dated(text: str, second: int, **facts: Any) -> GuidanceVector:
    """A vector recorded at a given second."""
    seed = facts.pop("seed", 21)
    return vector(text, facts=replace(provenance(noise(seed), **facts), created=f"2026-01-01T00:00:{second:02}Z"))


def files(library: Library) -> list[str]:
    """The names of all files of the library, whatever they are in a folder."""
    if isinstance(library.files, Folder):
        return sorted(path.name for path in library.root.rglob("*") if path.is_file())
    return sorted(key.rpartition("/")[2] for kind in layout.KINDS for key in library.files.keys(f"{kind}/"))


def file_of(library: Library, identity: str) -> bytes:
    return library.files.read(layout.vector_key(identity), at_most(1 << 20))


@everywhere
def test_a_missing_folder_is_an_empty_library(library: Library) -> None:
    assert len(library) == 0
    assert list(library) == []
    assert library.search("x") == []
    assert "x" not in library
    assert files(library) == []
    assert library.where.startswith("s3:") or not library.root.exists()


@everywhere
def test_what_is_added_is_there(library: Library) -> None:
    v = vector().with_preview(PREVIEW)
    identity = library.add(v, noise())
    assert identity == v.id
    assert library[identity] == v
    assert library[identity].preview == PREVIEW
    assert library.noise(identity) == noise()
    assert list(library) == [identity]
    assert file_of(library, identity) == write_vector(v)
    assert library.location_of(identity) == f"{library.where}/{layout.vector_key(identity)}"
    assert library.by_recipe(v.recipe) == [identity]
    assert library.by_recipe("0" * 64) == []
    assert files(library) == sorted([f"{identity}.zarr.zip", f"{noise().sha256}.zarr.zip"])


@everywhere
def test_adding_again_changes_nothing(library: Library) -> None:
    v = vector()
    library.add(v, noise())
    library.add(v.with_preview(PREVIEW), noise())
    assert file_of(library, v.id) == write_vector(v)
    assert library[v.id].preview is None
    assert len(library) == 1


@everywhere
def test_a_library_holds_files_of_both_formats(library: Library) -> None:
    v, w = vector(), vector("smile")
    old = pack(as_format_1(entries(write_vector(v))))
    library.files.publish(layout.noise_key(noise().sha256), write_noise(noise()))
    library.files.publish(layout.vector_key(v.id), old)
    library.catalogue.rebuild()
    library.add(w, noise())
    assert library.add(v, noise()) == v.id
    assert file_of(library, v.id) == old
    assert [library[identity] for identity in (v.id, w.id)] == [v, w]
    assert {row.id: row.bytes for row in library.search()}[v.id] == len(old)
    assert not library.verify().damages


@everywhere
def test_unequal_results_of_a_recipe_are_variants(library: Library) -> None:
    v, w = vector(seed=1), vector(seed=2)
    assert v.recipe == w.recipe
    ids = [library.add(v), library.add(w)]
    assert library.by_recipe(v.recipe) == sorted(ids)
    with pytest.raises(AmbiguousRefError):
        library.resolve(v.recipe)
    assert {library.short(identity) for identity in ids} == {library.resolve(library.short(i))[: 65 + 1] for i in ids}


@everywhere
def test_another_noise_is_refused(library: Library) -> None:
    with pytest.raises(InvalidInputError, match="recorded from"):
        library.add(vector(), noise(seed=1))
    assert files(library) == []


@everywhere
def test_a_vector_of_no_noise_is_kept_without_one(library: Library) -> None:
    v = of_no_noise()
    with pytest.raises(InvalidInputError, match="recorded from 00000000"):
        library.add(v, noise())
    assert files(library) == []
    library.add(v)
    assert library[v.id] == v
    assert not library[v.id].provenance.noise.is_named
    assert [(entry.id, entry.noise, entry.seed) for entry in library.search()] == [(v.id, "0" * 64, None)]
    with pytest.raises(UnknownRefError, match="doesn't hold the initial noise 00000000"):
        library.noise(v.id)
    assert not library.verify().damages
    library.add(vector())
    with pytest.raises(AmbiguousRefError, match=r"(?s)seed None.*seed 21|seed 21.*seed None"):
        library.resolve("glasses")
    for identity in list(library):
        library.remove(identity)
    assert files(library) == []


@everywhere
def test_refs(library: Library) -> None:
    king, queen, smile = dated("glasses", 1), dated("glasses", 2, prompt="a queen"), dated("smile", 3)
    for v in (king, queen, smile):
        library.add(v)
    library.annotate(king.id, name="my king")
    assert library.resolve("my king") == king.id
    assert library.resolve("smile") == smile.id
    assert library.resolve(queen.id) == queen.id
    assert library.resolve(queen.id[:4].upper()) == queen.id
    assert library.resolve(queen.id[:70]) == queen.id
    assert "smile" in library
    assert "glasses" not in library
    with pytest.raises(AmbiguousRefError) as ambiguous:
        library["glasses"]
    assert ambiguous.value.candidates == (queen.id, king.id)
    assert library.short(king.id) in str(ambiguous.value)
    assert "'a queen'" in str(ambiguous.value)
    for ref, hint in (("glases", "Did you mean 'glasses'"), ("my kin", "'my king'"), (queen.id[:3], "4 or more")):
        with pytest.raises(UnknownRefError, match=hint):
            library[ref]
    assert library.get("nothing") is None


@everywhere
def test_a_name_goes_before_a_concept(library: Library) -> None:
    glasses, smile = dated("glasses", 1), dated("smile", 2)
    library.add(smile, name="glasses")
    library.add(glasses)
    assert library.resolve("glasses") == smile.id


@everywhere
def test_a_name_has_one_owner(library: Library) -> None:
    library.add(dated("glasses", 1), name="mine")
    with pytest.raises(InvalidInputError, match="Choose another"):
        library.add(dated("smile", 2), name="mine")
    assert len(library) == 1
    other = library.add(dated("smile", 2))
    with pytest.raises(InvalidInputError, match="Choose another"):
        library.annotate(other, name="mine")
    assert library.annotate("mine", name="mine").name == "mine"
    library.annotate("mine", name=None)
    assert "mine" not in library


@everywhere
def test_search(library: Library) -> None:
    for second, (text, prompt, seed) in enumerate(
        [("glasses", "a portrait of a king", 1), ("red hair", "a drawing of a queen", 1), ("glasses", "café", 2)]
    ):
        library.add(dated(text, second, prompt=prompt, seed=seed))

    def found(*args: Any, **filters: Any) -> list[tuple[str, str]]:
        return [(entry.concept, entry.prompt) for entry in library.search(*args, **filters)]

    everything = found()
    assert everything == [
        ("glasses", "café"),
        ("red hair", "a drawing of a queen"),
        ("glasses", "a portrait of a king"),
    ]
    assert found("DRAW") == everything[1:2]
    assert found("hair draw") == everything[1:2]
    assert found("cafe") == everything[:1]
    assert found("red-ha") == everything[1:2]
    assert found("embedded") == everything
    assert found(concept="glasses", limit=1) == everything[:1]
    assert found("king", concept="red hair") == []
    assert found(model="embedded") == everything
    assert found(model="other") == []
    assert found(noise=noise(seed=1).sha256[:6]) == everything[1:]
    library.annotate("red hair", tags=["favourite"], notes="Look at the crown.", rating=5)
    assert found("crown favour") == everything[1:2]


@pytest.mark.parametrize("query", ['"', "'", "NOT", "a AND", "(", "*", "x*", "concept:", "^", "-", "\0", "\ud800", "%"])
def test_no_query_is_a_syntax_error(library: Library, query: str) -> None:
    library.add(vector())
    assert library.search(query) in ([], library.search())


@everywhere
def test_a_row_says_what_a_listing_shows(library: Library) -> None:
    v = vector(facts=provenance(noise(seed=1)))
    library.add(v, name="mine")
    (row,) = library.search()
    assert (row.id, row.name, row.concept, row.prompt) == (v.id, "mine", "glasses", "a portrait of a king")
    assert (row.model, row.seed, row.noise, row.steps) == ("embedded", 1, noise(seed=1).sha256, 3)
    assert (row.shape, row.dtype, row.nnz, row.bytes) == (v.shape, "float32", v.nnz, len(write_vector(v)))
    assert (row.created, row.tags, row.rating, row.notes) == ("2026-01-02T03:04:05.000000Z", (), None, "")


@everywhere
def test_annotations_stay_until_changed(library: Library) -> None:
    identity = library.add(vector())
    library.annotate(identity, tags=["b", "a"], rating=3)
    row = library.annotate(identity, notes="good")
    assert (row.tags, row.rating, row.notes) == (("a", "b"), 3, "good")
    row = library.annotate(identity, tags=(), rating=None)
    assert (row.tags, row.rating, row.notes) == ((), None, "good")
    assert library.recommended(identity) is None
    library.annotate(identity, recommended=RECOMMENDED)
    library.annotate(identity, rating=4)
    assert library.recommended(identity) == RECOMMENDED
    assert library.entry(identity).notes == "good"
    library.annotate(identity, recommended=None)
    assert library.recommended(identity) is None


@everywhere
def test_removing_takes_all_that_belongs_to_it(library: Library) -> None:
    v, w = dated("glasses", 1), dated("smile", 2)
    for each in (v, w):
        library.add(each, noise(), name=f"my {each.concept.text}")
    assert library.remove("my glasses") == v.id
    assert list(library) == [w.id]
    assert library.noise("smile") == noise()
    library.remove("smile")
    assert files(library) == []
    assert library.search("smile") == []
    with pytest.raises(UnknownRefError):
        library.remove("smile")


@everywhere
def test_noise_by_what_leads_to_it(library: Library) -> None:
    library.add(dated("glasses", 1), noise())
    library.add(dated("glasses", 2, prompt="a queen"))
    assert library.noise("glasses") == noise()
    assert library.noise(noise().sha256[:6]) == noise()
    library.add(dated("glasses", 3, seed=5))
    with pytest.raises(AmbiguousRefError):
        library.noise("glasses")
    with pytest.raises(UnknownRefError, match="added without"):
        library.noise(library.search(limit=1)[0].id)
    with pytest.raises(UnknownRefError):
        library.noise("ffff")


def test_a_noise_is_put_back_if_a_writer_needed_it_meanwhile(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    v, w = dated("glasses", 1), dated("smile", 2)
    library.add(v, noise())
    rename = Path.rename

    def writer_comes_first(path: Path, target: Path) -> Path:
        monkeypatch.undo()
        Library(library.root).add(w, noise())
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", writer_comes_first)
    library.remove("glasses")
    assert library.noise("smile") == noise()


def test_damaged_files_are_listed_and_the_rest_stays(library: Library, cache: Path) -> None:
    v, w = dated("glasses", 1), dated("smile", 2)
    for each in (v, w):
        library.add(each)
    path = library.path_of(v.id)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.unlink()
    path.write_bytes(data)
    foreign = path.with_name(f"{v.recipe}.{'0' * 64}.zarr.zip")
    foreign.write_bytes(write_vector(v))
    shutil.rmtree(cache)
    assert list(library) == [w.id]
    problems = {error.file: error.problem for error in library.catalogue.damaged()}
    assert problems.keys() == {str(path), str(foreign)}
    assert "damaged" in problems[str(path)]
    assert "isn't its id" in problems[str(foreign)]
    path.write_bytes(write_vector(v))  # repaired
    assert library[v.id] == v
    assert [error.file for error in library.catalogue.damaged()] == [str(foreign)]


def test_damage_beyond_the_header_is_found_on_opening(library: Library) -> None:
    identity = library.add(vector())
    path = library.path_of(identity)
    data = bytearray(path.read_bytes())
    data[-300] ^= 1
    path.write_bytes(data)
    assert len(library) == 1
    with pytest.raises(VectorFileError):
        library[identity]


def test_a_damaged_annotation_is_listed(library: Library) -> None:
    identity = library.add(vector(), name="mine")
    (path,) = library.root.glob("annotations/*/*.json")
    path.write_bytes(b"{")
    os.utime(path.parent)
    assert list(library) == [identity]
    assert [error.file for error in library.catalogue.damaged()] == [str(path)]
    with pytest.raises(VectorFileError):
        library.annotate(identity, name="other")


def test_other_files_are_passed_over(library: Library) -> None:
    identity = library.add(vector())
    for name in ("vectors/readme.txt", f"vectors/{identity[:2]}/.abc.tmp", "vectors/zz/x", "other/x"):
        path = library.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    misplaced = library.root / "vectors" / ("00" if identity[:2] != "00" else "01") / f"{identity}.zarr.zip"
    misplaced.parent.mkdir()
    misplaced.write_bytes(library.path_of(identity).read_bytes())
    assert list(library) == [identity]
    assert library.catalogue.damaged() == []


@everywhere
def test_changes_by_others_are_seen(library: Library, cache: Path) -> None:
    other = Library(library.where)
    identity = library.add(vector())
    assert list(other) == [identity]
    other.annotate(identity, name="first")
    assert library.resolve("first") == identity
    other.annotate(identity, name="second")
    assert library.resolve("second") == identity
    if isinstance(library.files, Folder):
        time.sleep(2.1)
    assert list(library) == list(other) == [identity]
    other.remove(identity)
    assert list(library) == []


@pytest.mark.parametrize("damage", ["deleted", "garbage", "truncated"])
@everywhere
def test_a_broken_catalogue_is_built_again(library: Library, cache: Path, damage: str) -> None:
    ids = [library.add(dated("glasses", 2), name="mine"), library.add(dated("smile", 1))]
    assert list(library) == ids
    (path,) = cache.rglob("catalogue.sqlite")
    if damage == "deleted":
        path.unlink()
    else:
        path.write_bytes(b"garbage" * 2000 if damage == "garbage" else path.read_bytes()[:5000])
    assert list(library) == ids
    assert library.resolve("mine") == ids[0]
    assert [file.name for file in (cache / "catalogues").rglob("*") if file.is_file()] == ["catalogue.sqlite"]


def test_an_unwritable_cache_is_done_without(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = library.add(vector())
    (tmp_path / "file").touch()
    monkeypatch.setenv("SEGA_VEC_CACHE", str(tmp_path / "file"))
    assert list(Library(library.root)) == [identity]


def test_a_file_is_no_library(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LibraryError, match="is a folder"):
        Library(tmp_path / "file")


def test_a_library_that_cannot_be_written(library: Library) -> None:
    library.root.mkdir()
    (library.root / "vectors").touch()
    with pytest.raises(LibraryError, match="is a folder"):
        library.add(vector())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_library(library: Library) -> None:
    library.root.mkdir(mode=0o500)
    with pytest.raises(LibraryError, match="write permission"):
        library.add(vector())


@everywhere
def test_libraries_travel_and_compare(library: Library) -> None:
    identity = library.add(vector())
    again = pickle.loads(pickle.dumps(library))
    assert again == library
    assert hash(again) == hash(library)
    assert list(again) == [identity]
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: library.resolve("glasses"), range(40))) == {identity}


WRITER = """
import sys
from sega_store import Library
from tests.store.samples import noise, provenance, vector
library = Library(sys.argv[1])
for number in range(10):
    facts = provenance(noise(seed=number % 3), prompt=f"{number // 2} of {sys.argv[2] if number % 2 else 'both'}")
    print(library.add(vector(facts=facts), noise(seed=number % 3)), flush=True)
    len(library)
"""


@everywhere
def test_two_processes_add_at_once(library: Library) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, library.where, name], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for name in ("one", "two")
    ]
    acknowledged = set()
    for writer in writers:
        output, _ = writer.communicate()
        assert writer.returncode == 0
        acknowledged |= set(output.split())
    assert len(acknowledged) == 15
    assert set(library) == acknowledged
    for identity in library:
        assert library[identity].id == identity
        library.noise(identity)
    assert not [name for name in files(library) if name.endswith(".tmp")]


def test_a_name_hides_nothing(library: Library) -> None:
    first, second = library.add(vector("glasses")), library.add(vector("smile"))
    for hidden, what in (("glasses", "concept"), (first[:4], "beginning of the id"), (first[:12], "beginning")):
        with pytest.raises(InvalidInputError, match=rf"would hide the vector {first[:8]}, whose {what}"):
            library.annotate(second, name=hidden)
        with pytest.raises(InvalidInputError, match="would hide"):
            library.add(vector("hat"), name=hidden)
    assert len(library) == 2
    library.annotate(first, name="glasses")
    assert library.resolve("glasses") == first


def test_texts_are_found_however_unicode_spells_them(library: Library) -> None:
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    assert composed != decomposed
    for spelled in (composed, decomposed):
        identity = library.add(vector(spelled, seed=len(spelled)), name=f"{spelled}{len(spelled)}")
        library.annotate(identity, tags=[f"{spelled}{len(spelled)}"])
        for asked in (composed, decomposed):
            assert library.resolve(f"{asked}{len(spelled)}") == identity
            assert library.catalogue.total(Selection(tag=f"{asked}{len(spelled)}")) == 1
            found = library.catalogue.page(Selection(asked, concept=asked))
            assert identity in {entry.id for entry in found}
    with pytest.raises(InvalidInputError, match=r"is .*'s. Choose another"):
        library.add(vector("hat"), name=f"{composed}5")


def test_what_only_reads_needs_a_library(tmp_path: Path) -> None:
    nowhere = Library(tmp_path / "nowhere")
    with pytest.raises(LibraryError, match=r"There is no library at .*nowhere"):
        nowhere.check_exists()
    (tmp_path / "nowhere").mkdir()
    nowhere.check_exists()
