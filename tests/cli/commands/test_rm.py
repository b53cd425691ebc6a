"""`sega-vec rm`."""

import json
import os
import subprocess
import sys

import pytest

from sega_store import Library
from tests.cli.conftest import SegaVec
from tests.cli.samples import make_noise, make_vector


def test_asks_first(sega_vec: SegaVec, library: Library) -> None:
    result = sega_vec("rm", "glasses", input="n\n", exit_code=1)
    assert "nothing was removed" in result.stderr
    assert "glasses" in library
    assert sega_vec("rm", "glasses", input="y\n").stdout.startswith("removed ")
    assert "glasses" not in library
    assert "smile" in library


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
@pytest.mark.parametrize("closed", ["<&-", "</dev/null"])
def test_without_a_terminal_it_says_to_add_yes(library: Library, closed: str) -> None:
    command = f"{sys.executable} -m sega_cli rm glasses {closed}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "removing must be confirmed" in done.stderr
    assert "--yes" in done.stderr
    assert "interrupted" not in done.stderr
    assert "Traceback" not in done.stderr
    assert len(library) == 2, "no answer is no consent"


def test_removes_all_or_none(sega_vec: SegaVec, library: Library) -> None:
    sega_vec("rm", "glasses", "unknown", "--yes", exit_code=1)
    assert len(library) == 2
    ids = {library.resolve("glasses"), library.resolve("smile")}
    document = json.loads(sega_vec("rm", "glasses", "smile", "glasses", "--yes", "--json").stdout)
    assert set(document["removed"]) == ids
    assert len(library) == 0


def test_an_ambiguous_ref_lists_the_candidates(sega_vec: SegaVec, library: Library) -> None:
    second = library.add(make_vector("glasses", seed=22), make_noise(22))
    message = sega_vec("rm", "glasses", "--yes", exit_code=1).stderr
    assert "names 2 vectors" in message
    assert second[:8] in message
    assert "seed 21" in message
    sega_vec("rm", second[:8], "--yes")
    assert "glasses" in library
