"""What moto's server is asked in the default run, asked of a server that people use."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from sega_store import Library, copy_vectors, write_vector
from sega_store.files.regular_file import at_most
from sega_store.places.layout import noise_key, vector_key

from .exchange.test_sync import contents, kill_and_resume, some
from .samples import PREVIEW, noise, provenance, vector
from .servers import Proxy, objects_of, proxied, seaweedfs

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running SeaweedFS."""
    with seaweedfs(tmp_path_factory.mktemp("weed")) as address:
        yield address


@pytest.fixture
def proxy(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before it, and the environment that leads there."""
    with proxied(server, monkeypatch) as proxy:
        yield proxy


@pytest.fixture
def remote(proxy: Proxy) -> Library:
    """An empty library that has been written to before."""
    library = Library(f"s3://{proxy.bucket}/library")
    library.remove(library.add(vector("first")))
    proxy.requests.clear()
    return library


def test_a_library_works(remote: Library, proxy: Proxy) -> None:
    v, initial = vector(facts=provenance(noise(seed=1))).with_preview(PREVIEW), noise(seed=1)
    identity = remote.add(v, initial, name="mine")
    assert remote["mine"] == v
    assert remote.noise("mine") == initial
    assert remote.by_recipe(v.recipe) == [identity]
    remote.annotate("mine", tags=["x"], notes="round")
    assert [entry.name for entry in remote.search("round x")] == ["mine"]
    assert remote.verify().files == 3
    assert remote.verify().damages == ()
    for one in some(20):
        remote.add(one)
    objects_of(remote).delete(*[meta["path"] for meta in objects_of(remote).list("catalogue/")])
    assert len(remote) == 21
    remote.catalogue.rebuild()
    assert len(remote) == 21
    remote.remove("mine")
    assert len(remote) == 20
    assert not remote.files.exists(vector_key(identity))
    assert not remote.files.exists(noise_key(initial.sha256)) or any(
        entry.noise == initial.sha256 for entry in remote.search()
    )


RACE = """
import sys
from sega_store import Library
files = Library(sys.argv[1]).files
body = open(sys.argv[2], "rb").read()
print("ready", flush=True)
for line in sys.stdin:
    print(files.publish(line.strip(), body), flush=True)
"""


def test_of_eight_racing_writers_one_wins(remote: Library, tmp_path: Path) -> None:
    v = vector()
    bodies = [write_vector(replace(v, provenance=replace(v.provenance, versions={"n": str(n)}))) for n in range(8)]
    writers = []
    for number, body in enumerate(bodies):
        (tmp_path / str(number)).write_bytes(body)
        command = [sys.executable, "-c", RACE, remote.where, str(tmp_path / str(number))]
        writers.append(
            subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1)
        )
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for round in range(25):
        key = vector_key(f"{round:064x}.{'0' * 64}")
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write(f"{key}\n")
        new = [writer.stdout is not None and writer.stdout.readline() == "True\n" for writer in writers]
        assert sum(new) == 1
        assert remote.files.read(key, at_most(1 << 20)) == bodies[new.index(True)]
    for writer in writers:
        writer.communicate()


def test_a_killed_push_goes_on(tmp_path: Path, remote: Library, proxy: Proxy) -> None:
    source = Library(tmp_path / "source")
    for number, one in enumerate(some(60)):
        source.add(one, noise(seed=number % 3), name=f"name {number}")
    kill_and_resume(source, remote.where, proxy)


def test_a_busy_server_is_asked_again(tmp_path: Path, remote: Library, proxy: Proxy) -> None:
    source = Library(tmp_path / "source")
    for one in some(10):
        source.add(one)
    failures = iter([4, 4, 4])

    def fail() -> None:
        proxy.failures = next(failures, 0)

    assert len(copy_vectors(source, remote, jobs=4, step=fail).added) == 10
    assert len(list(failures)) == 0
    assert contents(remote) == contents(source)


ADD = """
import sys
from sega_store import Library
from tests.store.samples import vector
library = Library(sys.argv[1])
for number in range(25):
    identity = library.add(vector(f"{sys.argv[2]} {number}"))
    if number % 5 == 0:
        library.remove(identity)
    len(library)
"""


def test_processes_with_caches_of_their_own(remote: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def work(number: int) -> int:
        import os

        command = [sys.executable, "-c", ADD, remote.where, str(number)]
        environment = {**os.environ, "SEGA_VEC_CACHE": str(tmp_path / f"machine{number}")}
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [0] * 4
    due = {f"{writer} {number}" for writer in range(4) for number in range(25) if number % 5}
    assert {entry.concept for entry in remote.search()} == due
    assert len(list(remote.files.keys("vectors/"))) == len(due)
