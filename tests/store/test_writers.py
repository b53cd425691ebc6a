"""Writers and readers of one library at once: nothing raises, and every acknowledged vector is there after."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("options", [[], ["--vandal"]], ids=["", "while the catalogue is broken"])
def test_eight_writers_at_once(options: list[str], seconds: int) -> None:
    command = [sys.executable, "-m", "tests.store.crowd", "--writers", "8", "--seconds", str(seconds), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["acknowledged"] > 0
    for key in ("lost", "damaged", "failures", "left"):
        assert report[key] == [], key
