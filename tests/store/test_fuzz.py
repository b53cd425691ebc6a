"""Mutated files: no crash, no silently different content, bounded memory and time; see `tests.store.fuzz`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KINDS = ("vector", "noise", "bundle", "annotation")


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the largest resident set")
@pytest.mark.parametrize("count", [2000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_mutated_files_are_refused_or_say_what_they_hold(count: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.fuzz", str(count)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    found = json.loads(done.stdout)
    assert found["failures"] == []
    assert found["outcomes"].keys() == {f"{kind} {outcome}" for kind in KINDS for outcome in ("accepted", "refused")}
    assert sum(found["outcomes"].values()) == count
    assert found["resident_mebibytes"] < 200  # the whole process, with zarr, while it reads
    assert found["longest_seconds"] < 5  # of processor time
