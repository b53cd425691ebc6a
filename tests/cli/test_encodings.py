"""Whatever the encoding of standard output, every command prints; what is stored stays UTF-8."""

import json
import os
import subprocess
import sys

import pytest

from sega_cli.main import COMMANDS
from sega_store import Library
from tests.cli.samples import make_noise, make_vector

CONCEPT = "λ-очки"


def output(encoding: str, *arguments: str, exit_code: int = 0) -> bytes:
    """What a command prints on a pipe of an encoding."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "sega_cli", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert b"Traceback" not in done.stderr
    assert done.returncode == exit_code, done.stderr
    return done.stdout


@pytest.fixture
def greek(library: Library) -> Library:
    library.add(make_vector(CONCEPT, seed=22), make_noise(22))
    return library


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_help_text_is_printed_on_a_windows_pipe(command: str) -> None:
    text = output("cp1252", *command.split(), "--help").decode("cp1252")
    assert text.startswith("Usage: sega-vec")
    if command == "record":
        assert "? in [0, 1): the share of entries" in text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "ascii:surrogateescape"])
def test_what_an_encoding_lacks_is_replaced(greek: Library, encoding: str) -> None:
    decode = encoding.partition(":")[0]
    assert "\t?-????\t" in output(encoding, "ls").decode(decode)
    assert "?" in output(encoding, "show", CONCEPT).decode(decode)
    assert output(encoding, "tag", "--rating", "2", CONCEPT).decode(decode).endswith("?-????  ??\n")
    output(encoding, "show", "ж", exit_code=1)


def test_a_handler_that_the_user_chose_stays(greek: Library) -> None:
    assert b"&#955;" in output("ascii:xmlcharrefreplace", "ls", "-q") or b"\\u03bb" in output(
        "cp1252:backslashreplace", "ls"
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_json_loses_nothing(greek: Library, encoding: str) -> None:
    document = json.loads(output(encoding, "show", CONCEPT, "--json").decode(encoding))
    assert document["concept"]["text"] == CONCEPT


def test_what_is_stored_stays_utf_8(greek: Library) -> None:
    output("cp1252", "note", "glasses", "über λ")
    assert greek.entry("glasses").notes == "über λ"
    (path,) = greek.root.rglob("annotations/*/*")
    assert "über λ" in json.loads(path.read_text(encoding="utf-8")).values()


@pytest.mark.skipif(os.name != "posix", reason="names of files are bytes")
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_path_that_is_no_text_is_printed_as_it_is(library: Library, encoding: str) -> None:
    assert output(encoding, "export", "out\udcff", "--quiet") == b"out\xff\n"


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_streams_may_be_closed(library: Library) -> None:
    command = f"{sys.executable} -m sega_cli ls >&- 2>&-"
    assert subprocess.run(command, shell=True, check=False).returncode == 0
