import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from sega_store import InvalidInputError, Library, LibraryError, UnknownRefError, VectorFileError, write_vector
from sega_store.files.regular_file import HEAD_BYTES, at_most
from sega_store.places import bucket
from sega_store.places.layout import annotation_key, noise_key, vector_key
from tests.store.samples import noise, provenance, vector
from tests.store.servers import Proxy, objects_of

V = vector(facts=provenance(noise(seed=1)))


@pytest.fixture
def remote(s3: Proxy) -> Library:
    """An empty library in moto's server that is known to honour conditional PUT."""
    library = Library(f"s3://{s3.bucket}/library")
    objects_of(library).delete("nothing")
    library.remove(library.add(vector("first")))
    s3.requests.clear()
    return library


@pytest.fixture
def few_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bucket.RETRIES, "max_retries", 2)


def kinds(s3: Proxy) -> list[str]:
    """The requests since the last time: their methods, with what they list or where they write."""
    found = [request.replace(s3.bucket, "") for request in s3.requests]
    s3.requests.clear()
    return [
        "LIST" if "?list" in one else "DELETE" if "?delete" in one else f"{one.split()[0]} {one.split('/')[2]}"
        for one in found
    ]


def test_each_operation_takes_few_requests(remote: Library, s3: Proxy) -> None:
    initial = noise(seed=1)
    identity = remote.add(V, initial)
    assert kinds(s3) == ["PUT noise", "PUT vectors", "LIST", "PUT catalogue", "HEAD noise"]
    assert remote.search()[0].id == identity
    assert kinds(s3) == ["LIST"]
    assert remote[identity] == V
    assert kinds(s3) == ["LIST", "GET vectors"]
    assert remote[identity] == V
    assert kinds(s3) == ["LIST"]
    assert remote.noise(identity) == initial
    assert kinds(s3) == ["LIST", "GET noise"]
    assert remote.by_recipe(V.recipe) == [identity]
    assert kinds(s3) == ["LIST", "LIST"]
    assert remote.by_recipe("0" * 64) == []
    assert kinds(s3) == ["LIST"]
    other = Library(f"s3://{s3.bucket}/library")
    assert len(other) == 1
    assert kinds(s3) == ["LIST"]
    remote.remove(identity)
    assert kinds(s3) == ["LIST", "DELETE", "LIST", "PUT catalogue", "LIST", "HEAD noise", "GET noise", "DELETE", "LIST"]


def test_publishing_is_conditional(remote: Library, s3: Proxy) -> None:
    remote.add(V, noise(seed=1))
    writes = [request for request in s3.requests if request.startswith("PUT")]
    assert len(writes) == 3
    assert all(request.endswith("*") for request in writes)


def test_of_racing_writers_one_wins(remote: Library) -> None:
    key = vector_key(V.id)
    bodies = [write_vector(replace(V, provenance=replace(V.provenance, versions={"n": str(n)}))) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(lambda body: remote.files.publish(key, body), bodies))
    assert sum(new) == 1
    assert remote.files.read(key, at_most(1 << 20)) == bodies[new.index(True)]


def test_a_server_that_ignores_conditions_is_refused(s3: Proxy) -> None:
    library = Library(f"s3://{s3.bucket}/library")
    s3.forgetful = True
    assert len(library) == 0
    for write in (lambda: library.add(V), lambda: library.files.replace(annotation_key(V.id), b"")):
        with pytest.raises(LibraryError, match="ignores conditional PUT"):
            write()
    assert list(objects_of(library).list("")) == []
    s3.forgetful = False
    library.add(V)
    assert kinds(s3).count("PUT probe") == 6


def test_a_server_is_tested_once(s3: Proxy) -> None:
    for text in ("glasses", "smile"):
        Library(f"s3://{s3.bucket}/library").add(vector(text))
    assert kinds(s3).count("PUT probe") == 2
    Library(f"s3://{s3.bucket}/other").add(V)
    assert kinds(s3).count("PUT probe") == 2


def test_a_busy_server_is_asked_again_after_a_break(remote: Library, s3: Proxy) -> None:
    s3.failures = 4
    start = time.monotonic()
    identity = remote.add(V)
    assert time.monotonic() - start > 0.1 + 0.1
    assert kinds(s3).count("PUT vectors") == 5
    assert remote[identity] == V


@pytest.mark.usefixtures("few_retries")
def test_a_server_that_stays_busy_is_an_error(s3: Proxy) -> None:
    library = Library(f"s3://{s3.bucket}/library")
    s3.failures = 1000
    with pytest.raises(LibraryError, match="overloaded"):
        len(library)
    assert kinds(s3) == ["LIST"] * 3


@pytest.mark.usefixtures("few_retries", "s3")
def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(LibraryError, match="can't be reached"):
        len(Library("s3://bucket/library"))


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_not_there() -> None:
    library = Library("s3://no-such-bucket/library")
    for ask in (lambda: len(library), lambda: library.add(V)):
        with pytest.raises(LibraryError, match="no such bucket"):
            ask()


def test_refused_credentials(s3: Proxy) -> None:
    s3.refusing = True
    library = Library(f"s3://{s3.bucket}/library")
    files = library.files
    for ask in (
        lambda: len(library),
        lambda: library.add(V),
        lambda: files.exists("x"),
        lambda: files.beginning("x", 2),
    ):
        with pytest.raises(LibraryError, match="AWS_ACCESS_KEY_ID"):
            ask()


@pytest.mark.parametrize("url", ["foo://bucket/x", "az://container/x", "s3://", "https://127.0.0.1:9/x"])
def test_a_url_that_leads_nowhere(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bucket.RETRIES, "max_retries", 0)
    with pytest.raises(LibraryError, match="failed"):
        len(Library(url))


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    library = Library(f"file://{tmp_path}/my%20library")
    library.add(V)
    assert library == Library(tmp_path / "my library")


def test_without_obstore_only_folders_are_known(tmp_path: Path) -> None:
    code = "import sys; sys.modules['obstore'] = None; from sega_store import Library; Library(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    done = subprocess.run([sys.executable, "-c", code, "s3://b"], capture_output=True, text=True, check=False)
    assert "pip install 'sega-vectors[remote]'" in done.stderr


def test_a_local_copy_is_checked(remote: Library, s3: Proxy, cache: Path) -> None:
    remote.add(V)
    assert remote[V.id] == V
    (copy,) = cache.glob("objects/*/vectors/*/*")
    data = bytearray(copy.read_bytes())
    data[-300] ^= 1
    copy.write_bytes(data)
    s3.requests.clear()
    assert remote[V.id] == V
    assert kinds(s3) == ["LIST", "GET vectors"]
    assert remote[V.id] == V
    assert kinds(s3) == ["LIST"]


def test_each_library_has_copies_of_its_own(remote: Library, s3: Proxy) -> None:
    other = Library(f"s3://{s3.bucket}/other")
    stranger = replace(V, provenance=replace(V.provenance, versions={"diffusers": "evil"}))
    assert stranger.id == V.id
    other.add(stranger)
    remote.add(V)
    assert other[V.id].provenance.versions == {"diffusers": "evil"}
    assert remote[V.id].provenance.versions == V.provenance.versions


def test_a_damaged_object_is_named_by_its_url(remote: Library) -> None:
    remote.add(V)
    remote.files.replace(vector_key(V.id), write_vector(vector("other")))
    with pytest.raises(VectorFileError, match=r"^s3://.*its name isn't its hash"):
        remote[V.id]
    remote.files.replace(vector_key(V.id), b"")
    with pytest.raises(VectorFileError):
        remote[V.id]
    objects_of(remote).delete(vector_key(V.id))
    with pytest.raises(VectorFileError, match="no such object"):
        remote[V.id]


def test_a_large_object_is_refused_before_it_is_fetched(remote: Library) -> None:
    remote.files.replace("big", bytes(1 << 22))
    assert remote.files.read("big", at_most(1 << 22)) == bytes(1 << 22)
    with pytest.raises(InvalidInputError, match="limit of 999"):
        remote.files.read("big", at_most(999))
    sizes: list[tuple[int, int]] = []
    remote.files.read("big", lambda head, size: sizes.append((len(head), size)))
    assert sizes == [(HEAD_BYTES, 1 << 22)]


def test_beginnings(remote: Library) -> None:
    remote.files.replace("x", b"abc")
    remote.files.replace("empty", b"")
    assert remote.files.beginning("x", 2) == (b"ab", 3)
    assert remote.files.beginning("x", 20) == (b"abc", 3)
    assert remote.files.beginning("empty", 20) == (b"", 0)
    with pytest.raises(InvalidInputError, match="no such object"):
        remote.files.beginning("none", 20)


def test_verify_finds_damage_and_mends_it(remote: Library, tmp_path: Path) -> None:
    spare = Library(tmp_path / "spare")
    for library in (remote, spare):
        library.add(V, noise(seed=1), name="mine")
        library.add(vector("smile"))
    assert remote.verify().files == 4
    remote.files.replace(vector_key(V.id), b"x")
    remote.files.replace(noise_key(V.provenance.noise.sha256), b"x")
    (damage,) = remote.verify(["mine"]).damages  # whose noise nobody knows
    assert damage.path == f"{remote.where}/{vector_key(V.id)}"
    assert [one.outcome for one in remote.verify(source=spare, move_aside=tmp_path / "aside").damages] == [
        "repaired"
    ] * 2
    assert sorted(path.read_bytes() for path in (tmp_path / "aside").iterdir()) == [b"x", b"x"]
    assert remote.verify().damages == ()
    remote.files.replace(vector_key(V.id), b"x")
    assert [one.outcome for one in remote.verify(move_aside=tmp_path / "aside").damages] == ["moved aside"]
    assert not remote.files.exists(vector_key(V.id))


def test_a_noise_is_put_back_if_a_writer_needed_it_meanwhile(remote: Library, s3: Proxy) -> None:
    initial, other = noise(seed=1), vector("smile", facts=provenance(noise(seed=1)))
    remote.add(V, initial)
    delete = objects_of(remote).delete

    def writer_comes_first(*keys: str) -> None:
        if keys == (noise_key(initial.sha256),):
            Library(remote.where).add(other, initial)
        delete(*keys)

    objects_of(remote).delete = writer_comes_first  # type: ignore[method-assign]
    remote.remove(V.id)
    assert Library(remote.where).noise("smile") == initial


def test_an_object_store_has_no_paths(remote: Library) -> None:
    remote.add(V)
    with pytest.raises(LibraryError, match="sega-vec pull"):
        remote.path_of(V.id)
    with pytest.raises(UnknownRefError, match="s3://"):
        remote["nothing"]


def test_a_writer_whose_noise_was_removed_meanwhile_adds_it_again(remote: Library) -> None:
    initial = noise(seed=1)
    publish = remote.files.publish

    def remover_comes_between(key: str, data: bytes) -> bool:
        if key.startswith("vectors/"):
            objects_of(remote).delete(noise_key(initial.sha256))
        return publish(key, data)

    remote.files.publish = remover_comes_between  # type: ignore[method-assign]
    remote.add(V, initial)
    assert remote.noise(V.id) == initial


def test_the_local_copy_of_a_deleted_object_goes(remote: Library, cache: Path) -> None:
    remote.add(V)
    assert remote[V.id] == V
    assert list(cache.glob("objects/*/vectors/*/*"))
    objects_of(remote).delete(vector_key(V.id))
    assert not list(cache.glob("objects/*/vectors/*/*"))
