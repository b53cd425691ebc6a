"""The command itself, in a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from sega_store import Concept, GuidanceVector, Library
from sega_store.analysis import similarity
from sega_store.display.pictures import decode
from tests.cli.conftest import SegaVec
from tests.store.samples import provenance, steps


@contextmanager
def browsing(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that serves, and the address that it printed."""
    line = [sys.executable, "-m", "sega_cli", "browse", "--port", "0", *arguments]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stdout
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def get(address: str, path: str = "/") -> tuple[int, str]:
    with closing(HTTPConnection(urlsplit(address).netloc, timeout=30)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_it_serves_until_it_is_interrupted(library: Library) -> None:
    with browsing("--quiet") as (process, address):
        status, page = get(address)
        assert status == 200
        assert "glasses" in page
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert process.returncode in (0, 130)
        assert "Traceback" not in errors


def test_others_need_the_token_that_is_printed(library: Library) -> None:
    with browsing("--quiet", "--host", "0.0.0.0") as (_, address):
        parts = urlsplit(address)
        assert parts.query.startswith("token=")
        here = f"http://127.0.0.1:{parts.port}"
        assert get(here)[0] == 401
        assert get(here, f"/?{parts.query}")[0] == 303


def test_a_port_that_is_taken_is_refused(sega_vec: SegaVec, library: Library) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert "--port 0" in sega_vec("browse", "--port", port, exit_code=2).stderr


def test_the_pages_never_import_torch(library: Library, folder: Path) -> None:
    code = (
        "import sys; from sega_cli.main import main\n"
        "main(['browse', '--export', 'site', '-q'], standalone_mode=False)\n"
        "import sega_cli.browse.server\n"
        "assert 'torch' not in sys.modules and 'sega_vectors' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)


def test_what_is_missing_is_named(library: Library, folder: Path) -> None:
    code = "import sys; sys.modules['fastapi'] = None\nfrom sega_cli.main import main\nmain(['browse'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'sega-vectors[browse]'" in done.stderr


def test_an_export_is_reported(sega_vec: SegaVec, library: Library, folder: Path) -> None:
    document = json.loads(sega_vec("browse", "--export", "site", "--json").stdout)
    assert document["vectors"] == 2
    assert (folder / "site" / "index.html").is_file()
    assert "is there already" in sega_vec("browse", "--export", "site", exit_code=2).stderr


@pytest.mark.parametrize("option", [[], ["--export", "site"]])
def test_an_empty_library_is_no_fault_of_the_server(sega_vec: SegaVec, option: list[str]) -> None:
    if option:
        assert "no vectors" in sega_vec("browse", *option, exit_code=2).stderr
    else:
        with browsing("--quiet") as (_, address):
            assert "No vectors yet" in get(address)[1]


def test_a_damaged_vector_costs_an_exported_site_one_page(sega_vec: SegaVec, library: Library, folder: Path) -> None:
    path = library.path_of("glasses")
    data = bytearray(path.read_bytes())
    data[-len(data) // 3] ^= 1
    path.write_bytes(data)
    result = sega_vec("browse", "--export", "site", exit_code=3)
    assert f"damaged: {path}: " in result.stderr
    pages = {page.stem: page.read_text() for page in (folder / "site" / "vectors").iterdir()}
    assert set(pages) == set(library)
    broken = library.resolve("glasses")
    assert [identity for identity, page in pages.items() if "This vector is damaged" in page] == [broken]
    assert (folder / "site" / "pictures" / broken / "acts.png").is_file()


@pytest.mark.parametrize("value", [3.4e38, 1e-45, 1.2e-38])
def test_the_extremes_of_float32_are_shown(sega_vec: SegaVec, library: Library, folder: Path, value: float) -> None:
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((3, 2, 4, 4)) < 0.4, np.float32(value), 0).astype(np.float32)
    concept = Concept("extreme", edit_threshold=0.0)
    library.add(GuidanceVector.from_dense(concept, dense, *steps(3), provenance()))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        sega_vec("browse", "--export", "site")
        assert similarity.cosine(library["extreme"], library["extreme"]) == pytest.approx(1)
        sega_vec("show", "extreme")
    for picture in (folder / "site" / "pictures" / library.resolve("extreme")).iterdir():
        decode(picture.read_bytes())
