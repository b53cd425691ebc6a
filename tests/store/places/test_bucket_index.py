import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from sega_store import GuidanceVector, Library, UnknownRefError, VectorFileError, write_noise, write_vector
from sega_store.files.regular_file import CheckSize, at_most
from sega_store.places import bucket_index
from sega_store.places.bucket_segment import read_segment, write_segment
from sega_store.places.layout import annotation_key, noise_key, vector_key
from sega_store.records.annotation import Annotation
from tests.store.samples import noise, vector
from tests.store.servers import Proxy, objects_of


@pytest.fixture
def remote(s3: Proxy) -> Library:
    """An empty library in moto's server."""
    return Library(f"s3://{s3.bucket}/library")


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Library], Library]:
    """The same library as another machine sees it, which has a cache of its own."""
    number = iter(range(100))

    def make(library: Library) -> Library:
        monkeypatch.setenv("SEGA_VEC_CACHE", str(tmp_path / f"machine{next(number)}"))
        return Library(library.where)

    return make


def some(count: int, start: int = 0) -> list[GuidanceVector]:
    return [vector(f"concept {number:02}") for number in range(start, start + count)]


def segments(library: Library) -> list[str]:
    found = objects_of(library).list("catalogue/")
    return sorted(meta["path"].rpartition("/")[2] for meta in found)


def test_segments_are_merged(remote: Library, elsewhere: Callable[[Library], Library]) -> None:
    reader = elsewhere(remote)
    for number, one in enumerate(some(bucket_index.FAN + 3)):
        remote.add(one)
        if number == 5:
            assert len(reader) == 6
    assert sorted(name[:2] for name in segments(remote)) == ["0-"] * 3 + ["1-"]
    for library in (reader, remote, elsewhere(remote)):
        assert set(library) == {one.id for one in some(bucket_index.FAN + 3)}
    writer = elsewhere(remote)
    for one in some(bucket_index.FAN - 3):
        writer.remove(one.id)
    assert sorted(name[:2] for name in segments(remote)) == ["1-"] * 2
    for library in (reader, remote, elsewhere(remote)):
        assert set(library) == {one.id for one in some(6, start=bucket_index.FAN - 3)}


def test_levels_grow(remote: Library, elsewhere: Callable[[Library], Library], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_index, "FAN", 2)
    for one in some(8):
        remote.add(one)
    (name,) = segments(remote)
    assert name.startswith("3-")
    assert set(elsewhere(remote)) == set(remote) == {one.id for one in some(8)}


def test_a_removal_outlives_the_merging(remote: Library, elsewhere: Callable[[Library], Library]) -> None:
    (one,) = some(1)
    remote.add(one)
    other_machine = elsewhere(remote)
    assert list(other_machine) == [one.id]
    other_machine.remove(one.id)
    for filler in some(bucket_index.FAN, start=2):
        remote.add(filler)
    assert one.id not in set(remote) | set(elsewhere(remote))
    remote.add(one)
    assert one.id in set(other_machine) & set(elsewhere(remote))


def test_a_segment_that_does_not_fit_is_left(remote: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_index, "MAX_SEGMENT_BYTES", 3 * 8192 + 1)
    monkeypatch.setattr(bucket_index, "FAN", 4)
    for one in some(4):
        remote.add(one)
    assert sorted(name[:2] for name in segments(remote)) == ["0-", "1-"]


def test_a_killed_merger_does_no_harm(
    remote: Library, elsewhere: Callable[[Library], Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_index, "FAN", 4)
    for one in some(3):
        remote.add(one)
    delete = objects_of(remote).delete

    def killed(*keys: str) -> None:
        raise KeyboardInterrupt

    objects_of(remote).delete = killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        remote.add(some(4)[3])
    assert len(segments(remote)) == 5
    assert set(elsewhere(remote)) == {one.id for one in some(4)}
    objects_of(remote).delete = delete  # type: ignore[method-assign]
    remote.add(vector("next"))
    assert set(remote) == set(elsewhere(remote)) == {one.id for one in [*some(4), vector("next")]}
    assert len(segments(remote)) < 5


def test_racing_writers_and_mergers_lose_nothing(
    remote: Library, elsewhere: Callable[[Library], Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_index, "FAN", 3)
    remote.add(vector("first"))
    machines = [elsewhere(remote) for _ in range(4)]

    def work(number: int) -> None:
        for one in some(6, start=10 * number):
            machines[number].add(one)
            assert one.id in machines[number]
        machines[number].remove(some(1, start=10 * number)[0].id)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    due = {one.id for number in range(4) for one in some(5, start=10 * number + 1)} | {vector("first").id}
    for library in (*machines, elsewhere(remote)):
        assert set(library) == due


def test_a_reader_between_listing_and_fetching(
    remote: Library, elsewhere: Callable[[Library], Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_index, "FAN", 4)
    for one in some(3):
        remote.add(one)
    reader = elsewhere(remote)
    read = reader.files.read

    def late(key: str, check_size: CheckSize) -> bytes:
        reader.files.read = read  # type: ignore[method-assign]
        remote.add(some(4)[3])  # merges what the reader has listed
        return read(key, check_size)

    reader.files.read = late  # type: ignore[method-assign]
    assert set(reader) == {one.id for one in some(4)}


def test_a_lost_catalogue(remote: Library, elsewhere: Callable[[Library], Library]) -> None:
    for one in some(3):
        remote.add(one, noise())
    remote.annotate("concept 01", name="mine", tags=["a"])
    before = remote.search()
    objects_of(remote).delete(*(f"catalogue/{name}" for name in segments(remote)))
    stranger = elsewhere(remote)
    assert stranger.search() == remote.search() == before
    stranger.files.replace(annotation_key(before[0].id), Annotation(notes="changed").to_bytes())
    assert [entry.notes for entry in stranger.search("changed")] == ["changed"]
    assert [entry.notes for entry in remote.search("changed")] == ["changed"]
    objects_of(stranger).delete(vector_key(before[1].id))
    assert len(stranger) == len(remote) == 2
    assert segments(remote) == []
    stranger.add(vector("new"))
    assert len(segments(remote)) == 1
    assert len(elsewhere(remote)) == len(remote) == 3
    assert remote.search("changed")


def test_a_copied_folder_is_a_library(remote: Library, s3: Proxy) -> None:
    v = vector("copied")
    remote.files.replace(vector_key(v.id), write_vector(v))
    remote.files.replace(noise_key(noise().sha256), write_noise(noise()))
    remote.files.replace(annotation_key(v.id), Annotation(name="mine").to_bytes())
    remote.files.replace("vectors/00/readme.txt", b"x")
    remote.files.replace(vector_key(f"{'0' * 64}.{'1' * 64}"), b"x")
    assert remote["mine"] == v
    assert remote.noise("mine") == noise()
    assert [error.file for error in remote.catalogue.damaged()] == [
        f"{remote.where}/{vector_key('0' * 64 + '.' + '1' * 64)}"
    ]
    remote.annotate("mine", tags=["x"])
    assert segments(remote)
    assert remote.search("mine")[0].tags == ("x",)


def test_a_damaged_segment_is_named_and_replaced(remote: Library, elsewhere: Callable[[Library], Library]) -> None:
    one, other = some(2)
    remote.add(one)
    (first,) = segments(remote)
    remote.add(other)
    remote.files.replace(f"catalogue/{first}", b"garbage")
    remote.files.replace("catalogue/readme.txt", b"x")
    reader = elsewhere(remote)
    assert list(reader) == [other.id]
    (damage,) = reader.catalogue.damaged()
    assert isinstance(damage, VectorFileError)
    assert damage.file == f"{remote.where}/catalogue/{first}"
    reader.catalogue.rebuild()
    assert set(reader) == set(elsewhere(remote)) == {one.id, other.id}
    assert reader.catalogue.damaged() == elsewhere(remote).catalogue.damaged() == []
    assert first not in segments(remote)


def test_rebuilding_corrects_lies(remote: Library, elsewhere: Callable[[Library], Library]) -> None:
    one, other, third = some(3)
    for v in (one, other, third):
        remote.add(v, name=f"my {v.concept.text}")
    truth = remote.search()
    lies = []
    for name in segments(remote):
        for state in read_segment(remote.files.read(f"catalogue/{name}", at_most(1 << 20))):
            assert state.entry is not None
            lies.append(replace(state, version=9, entry=replace(state.entry, concept="lie", name="lie")))
    lies = list({lie.id: lie for lie in sorted(lies, key=lambda lie: lie.id)}.values())
    ghost = replace(lies[0], id=f"{'0' * 64}.{'1' * 64}")
    assert ghost.entry is not None
    ghost = replace(ghost, entry=replace(ghost.entry, id=ghost.id))
    hidden = replace(lies[1], entry=None)
    lying = write_segment([ghost, lies[0], hidden])
    remote.files.replace(f"catalogue/0-{'a' * 32}.sqlite", lying)
    assert remote.search("lie")
    with pytest.raises((VectorFileError, UnknownRefError)):
        remote[ghost.id]
    steps: list[int] = []
    remote.catalogue.rebuild(lambda: steps.append(1))
    assert len(steps) == 3
    assert remote.search() == elsewhere(remote).search() == truth


def test_rebuilding_what_is_right_writes_nothing(remote: Library, s3: Proxy) -> None:
    remote.add(vector(), name="mine")
    s3.requests.clear()
    remote.catalogue.rebuild()
    assert s3.count("PUT") == 0


@pytest.mark.parametrize("asked", [False, True])
def test_a_writer_that_was_killed_before_its_segment(remote: Library, asked: bool) -> None:
    one, other = some(2)
    remote.add(one)
    remote.files.publish(vector_key(other.id), write_vector(other))
    remote.files.replace(annotation_key(other.id), Annotation(name="mine").to_bytes())
    assert list(remote) == [one.id]
    if asked:  # as a sweep does that goes on
        assert remote.by_recipe(other.recipe) == [other.id]
    else:
        remote.add(other)
    assert remote["mine"] == other


def test_a_bucket_that_was_made_anew_forgets(remote: Library, elsewhere: Callable[[Library], Library]) -> None:
    for one in some(2):
        remote.add(one)
    here = elsewhere(remote)
    assert len(here) == 2
    objects_of(remote).delete(*(meta["path"] for meta in objects_of(remote).list("")))
    assert len(here) == 0
    other = elsewhere(remote)
    other.add(vector("new"))
    assert list(here) == list(other) == list(remote) == [vector("new").id]


def test_an_annotation_of_what_is_being_removed(remote: Library, elsewhere: Callable[[Library], Library]) -> None:
    v = vector()
    remote.add(v)
    remover = elsewhere(remote)
    replacing = remote.files.replace

    def remove_first(key: str, data: bytes) -> None:
        remover.remove(v.id)
        replacing(key, data)

    remote.files.replace = remove_first  # type: ignore[method-assign]
    with suppress(UnknownRefError):
        remote.annotate(v.id, name="mine")
    assert list(remote) == list(remover) == list(elsewhere(remote)) == []


def test_a_lost_cache_is_built_again(remote: Library, cache: Path) -> None:
    for one in some(3):
        remote.add(one)
    shutil.rmtree(cache)
    assert set(remote) == {one.id for one in some(3)}
