import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sega_store import (
    GuidanceVector,
    InvalidInputError,
    Library,
    LibraryError,
    UnknownRefError,
    VectorFileError,
    copy_vectors,
)
from sega_store.exchange import sync
from sega_store.files.regular_file import at_most
from sega_store.places.layout import KINDS, annotation_key, noise_key, vector_key
from tests.store.samples import RECOMMENDED, noise, of_no_noise, provenance, vector
from tests.store.servers import Proxy

ROOT = Path(__file__).parents[3]
both_ways = pytest.mark.parametrize("library", ["folder", "s3"], indirect=True)


def some(count: int) -> list[GuidanceVector]:
    """Vectors of three noises."""
    return [vector(f"concept {n:03}", facts=provenance(noise(seed=n % 3))) for n in range(count)]


def contents(library: Library) -> dict[str, bytes]:
    """All files of a library."""
    files = library.files
    return {key: files.read(key, at_most(1 << 20)) for kind in KINDS for key in files.keys(f"{kind}/")}


@pytest.fixture
def source(tmp_path: Path) -> Library:
    """A folder with ten vectors, two of them without their noise, some annotated."""
    source = Library(tmp_path / "source")
    for number, one in enumerate(some(10)):
        source.add(one, None if number % 3 == 2 else noise(seed=number % 3))
    source.annotate("concept 001", name="mine", tags=["a", "b"], rating=4, notes="said")
    source.annotate("concept 002", tags=["c"])
    return source


@both_ways
def test_all_is_copied_to_the_byte_there_and_back(library: Library, source: Library, tmp_path: Path) -> None:
    steps: list[int] = []
    done = copy_vectors(source, library, step=lambda: steps.append(1))
    assert done.added == tuple(source)
    assert (done.held, done.unnamed, len(steps)) == ((), (), 10)
    assert contents(library) == contents(source)
    assert library.catalogue.entries(list(source)) == source.catalogue.entries(list(source))
    back = Library(tmp_path / "back")
    copy_vectors(library, back)
    assert contents(back) == contents(source)
    assert back.search("said")[0].name == "mine"


@both_ways
def test_a_vector_of_no_noise_is_copied_alone(library: Library, tmp_path: Path) -> None:
    source = Library(tmp_path / "source")
    identity = source.add(of_no_noise())
    assert copy_vectors(source, library).added == (identity,)
    assert list(contents(library)) == [vector_key(identity)]
    assert library[identity] == source[identity] == of_no_noise()


@both_ways
@pytest.mark.parametrize("refs", [[], ["glasses"]])
def test_a_recommendation_is_copied_and_stays(library: Library, tmp_path: Path, refs: list[str]) -> None:
    """A row of a listing doesn't tell of it, so the files do."""
    source = Library(tmp_path / "source")
    source.add(vector())
    copy_vectors(source, library, refs)
    source.annotate("glasses", recommended=RECOMMENDED)
    copy_vectors(source, library, refs)
    assert library.recommended("glasses") == RECOMMENDED
    back = Library(tmp_path / "back")
    copy_vectors(library, back, refs)
    assert back.recommended("glasses") == RECOMMENDED
    source.annotate("glasses", notes="later", recommended=None)
    copy_vectors(source, library, refs)
    assert (library.recommended("glasses"), library.entry("glasses").notes) == (RECOMMENDED, "")


@both_ways
def test_copying_again_changes_nothing(library: Library, source: Library, request: pytest.FixtureRequest) -> None:
    copy_vectors(source, library, jobs=3)
    if library.where.startswith("s3:"):
        request.getfixturevalue("s3").requests.clear()
    done = copy_vectors(source, library)
    assert done.added == ()
    assert done.held == tuple(source)
    if library.where.startswith("s3:"):
        requests = request.getfixturevalue("s3").requests
        assert {one.split()[0] for one in requests} == {"GET", "HEAD"}
        assert len(requests) == 3 + 3  # whether it has a catalogue, what it holds, whose the names are; the noises


@both_ways
def test_some_are_copied(library: Library, source: Library) -> None:
    done = copy_vectors(source, library, ["mine", "concept 004", "mine"])
    assert set(done.added) == {source.resolve("mine"), source.resolve("concept 004")}
    assert len(library) == 2
    assert library.noise("mine") == noise(seed=1)
    with pytest.raises(UnknownRefError):
        copy_vectors(source, library, ["nothing"])


@both_ways
def test_what_is_held_stays_and_gets_what_it_lacks(library: Library, source: Library) -> None:
    one, two, three, four = some(4)[:4]
    library.add(replace(one, provenance=replace(one.provenance, versions={"mine": "1"})))  # without its noise
    library.add(two, name="other name")
    library.add(three)
    library.add(vector("another"), name="mine")
    done = copy_vectors(source, library, [one.id, two.id, three.id, four.id])
    assert done.added == (four.id,)
    assert set(done.held) == {one.id, two.id, three.id}
    assert library[one.id].provenance.versions == {"mine": "1"}
    assert library.noise(one.id) == noise(seed=0)
    assert library.entry(two.id).name == "other name"
    assert library.entry(two.id).notes == ""
    assert library.entry(three.id).tags == ("c",)


@both_ways
def test_a_name_that_is_taken_is_left_out(library: Library, source: Library) -> None:
    library.add(vector("another"), name="mine")
    done = copy_vectors(source, library)
    (identity,) = done.unnamed
    assert identity == source.resolve("mine")
    entry = library.entry(identity)
    assert (entry.name, entry.tags, entry.rating, entry.notes) == (None, ("a", "b"), 4, "said")
    assert library.resolve("mine") == vector("another").id


@both_ways
def test_a_noise_that_was_there_and_is_removed_meanwhile_is_there(
    library: Library, source: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = some(4)[0], some(4)[3]  # of one noise
    library.add(one, noise(seed=0))
    publish = library.files.publish

    def remove_first(key: str, data: bytes) -> bool:
        if key == vector_key(other.id):
            Library(library.where).remove(one.id)
        return publish(key, data)

    monkeypatch.setattr(library.files, "publish", remove_first)
    copy_vectors(source, library, [other.id])
    assert library.noise(other.id) == noise(seed=0)


@both_ways
@pytest.mark.parametrize("kind", ["vector", "noise", "annotation"])
def test_a_damaged_file_is_not_copied(library: Library, source: Library, kind: str) -> None:
    one = some(2)[1]
    key = {
        "vector": vector_key(one.id),
        "noise": noise_key(one.provenance.noise.sha256),
        "annotation": annotation_key(one.id),
    }[kind]
    data = source.files.read(key, at_most(1 << 20))
    len(source)
    source.files.replace(key, data[:-300] + bytes([data[-300] ^ 1]) + data[-299:] if kind != "annotation" else b"{")
    with pytest.raises(VectorFileError, match=key):
        copy_vectors(source, library)
    assert key not in contents(library)
    listed = set(library)
    assert listed == {key.split("/")[2][:129] for key in contents(library) if key.startswith("vectors/")}
    source.files.replace(key, data)
    copy_vectors(source, library)
    assert contents(library) == contents(source)


def test_a_library_is_not_copied_to_itself(source: Library) -> None:
    with pytest.raises(InvalidInputError, match="itself"):
        copy_vectors(source, Library(source.root))
    with pytest.raises(InvalidInputError, match="jobs"):
        copy_vectors(source, Library(source.root / "other"), jobs=0)


def test_copies_run_at_once(source: Library, s3: Proxy) -> None:
    Library(f"s3://{s3.bucket}/probe").add(vector())
    most = {}
    s3.delay = 0.05
    for jobs in (1, 8):
        s3.most_at_once = 0
        copy_vectors(source, Library(f"s3://{s3.bucket}/jobs{jobs}"), jobs=jobs)
        most[jobs] = s3.most_at_once
    assert most[1] == 1
    assert 1 < most[8] <= 8


def test_a_copy_in_batches(source: Library, library: Library, s3: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "BATCH", 4)
    remote = Library(f"s3://{s3.bucket}/library")
    copy_vectors(source, remote)
    assert s3.count("PUT /library/catalogue") == 1 + 3
    assert s3.count("GET /library") == 0
    assert s3.count("PUT /library/vectors") == 10
    assert s3.count("PUT /library/noise") == 2
    assert remote.catalogue.entries(list(source)) == source.catalogue.entries(list(source))


def test_a_server_that_fails_in_the_middle(source: Library, s3: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    from sega_store.places import bucket

    monkeypatch.setitem(bucket.RETRIES, "max_retries", 0)
    remote = Library(f"s3://{s3.bucket}/library")
    remote.add(vector())

    def fail() -> None:
        s3.failures = 1

    with pytest.raises(LibraryError):
        copy_vectors(source, remote, jobs=1, step=fail)
    s3.failures = 0
    copy_vectors(source, remote)
    assert contents(remote).keys() > contents(source).keys()
    assert len(remote) == 11


PUSH = """
import sys
from sega_store import Library, copy_vectors
copy_vectors(Library(sys.argv[1]), Library(sys.argv[2]), jobs=2)
"""


def kill_and_resume(source: Library, url: str, proxy: Proxy) -> None:
    """Kills a push when a third is done, pushes again, and sees that nothing was sent twice."""
    count = len(source)
    proxy.delay = 0.01
    process = subprocess.Popen([sys.executable, "-c", PUSH, str(source.root), url], cwd=ROOT)
    while proxy.count("PUT /library/vectors") < count // 3 and process.poll() is None:
        time.sleep(0.005)
    assert process.poll() is None, "it was too fast to be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.2)  # what is still on its way
    before = proxy.count("PUT /library/vectors")
    assert count // 3 <= before < count
    proxy.delay = 0
    remote = Library(url)
    assert len(remote) == 0  # the segment wasn't written: nothing of it was acknowledged
    done = copy_vectors(source, remote)
    assert proxy.count("PUT /library/vectors") == count
    assert len(done.added) == count - before
    assert len(done.held) == before
    assert contents(remote) == contents(source)
    assert remote.catalogue.entries(list(source)) == source.catalogue.entries(list(source))


def test_a_killed_push_goes_on(tmp_path: Path, s3: Proxy) -> None:
    source = Library(tmp_path / "source")
    for number, one in enumerate(some(30)):
        source.add(one, noise(seed=number % 3))
    kill_and_resume(source, f"s3://{s3.bucket}/library", s3)


def test_two_pushes_at_once(source: Library, s3: Proxy) -> None:
    url = f"s3://{s3.bucket}/library"
    threads = [threading.Thread(target=copy_vectors, args=(source, Library(url))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert contents(Library(url)) == contents(source)
    assert Library(url).catalogue.entries(list(source)) == source.catalogue.entries(list(source))


def test_what_was_copied_before_an_interruption_is_listed(
    source: Library, s3: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = Library(f"s3://{s3.bucket}/library")

    mapped = futures.ThreadPoolExecutor.map

    def interrupted(pool: futures.ThreadPoolExecutor, work: Any, items: Any) -> Iterator[Any]:
        done = list(mapped(pool, work, items))
        if work.__name__ == "_copy":
            raise KeyboardInterrupt
        return iter(done)

    with monkeypatch.context() as patch:
        patch.setattr(futures.ThreadPoolExecutor, "map", interrupted)
        with pytest.raises(KeyboardInterrupt):
            copy_vectors(source, remote)
    assert len(remote) == 10


def test_names_that_would_hide_what_the_target_has_are_left_out(library: Library, source: Library) -> None:
    kept = library.add(vector("glasses"))
    named = [source.add(vector(f"new {number}", seed=number), name=name) for number, name in
             enumerate(("glasses", kept[:6], "free"))]  # fmt: skip
    done = copy_vectors(source, library, named)
    assert set(done.unnamed) == {*named[:2]}
    assert library.resolve("glasses") == library.resolve(kept[:6]) == kept
    assert library.resolve("free") == named[2]
    assert library.catalogue.hidden(done.added) == {}


def test_what_a_name_hides_is_known(library: Library, source: Library) -> None:
    library.add(vector("other"), name="smile")
    hidden = source.add(vector("smile"))
    copy_vectors(source, library, [hidden])
    assert library.catalogue.hidden([hidden]) == {hidden: "smile"}
    digits = source.add(vector("hat"))
    library.add(vector("another"), name=digits[:5])
    copy_vectors(source, library, [digits])
    assert library.catalogue.hidden([hidden, digits]) == {hidden: "smile", digits: digits[:5]}
