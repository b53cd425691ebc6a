"""The command itself, in a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sega_store import Library
from tests.cli.conftest import SegaVec


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
