"""Writers are killed, and nothing that they had acknowledged is lost."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from . import operations

ROOT = Path(__file__).parents[2]


def crashes(*arguments: str) -> dict[str, Any]:
    """The report of the harness, in a process of its own: it forks, which must not take this one's threads along."""
    command = [sys.executable, "-m", "tests.store.crashes", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("kills", [30, pytest.param(1000, marks=pytest.mark.slow)])
def test_writers_killed_at_random(kills: int) -> None:
    report = crashes("--kills", str(kills), "--operations")
    assert report["kills"] >= kills
    assert report["midway"] > 0
    assert report["acknowledged"] > 0  # as many as a busy machine lets through
    assert {key: report[key] for key in ("lost", "damaged", "failures", "left")} == {
        "lost": [],
        "damaged": [],
        "failures": [],
        "left": [],
    }


@pytest.mark.parametrize("most", [12, pytest.param(1000, marks=pytest.mark.slow)])
def test_writers_killed_at_changes(most: int, quick_folder: Path) -> None:
    report = crashes("--kills", "0", "--most", str(most), "--folder", str(quick_folder))
    kills = report["at changes"]
    assert kills.keys() == operations.OPERATIONS.keys()
    assert all(kills.values())
    assert sum(kills.values()) > min(most, 16) * 5
