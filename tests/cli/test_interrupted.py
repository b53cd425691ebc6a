"""A sweep that ends early: by Ctrl-C, by a full disk."""

import resource
import signal
import subprocess
import sys
from pathlib import Path

from sega_store import Library
from tests.cli.conftest import FEW, SegaVec


def test_ctrl_c_keeps_what_was_finished(folder: Path, tiny_model: str) -> None:
    command = ["record", "a man", "--model", tiny_model, *FEW, "--concept", "glasses", "--seed", "0..9999", "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-m", "sega_cli", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # it is ignored in the background
    )
    assert process.stdout is not None
    finished = [process.stdout.readline().strip() for _ in range(3)]
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate()
    assert process.returncode == 130
    assert stderr.splitlines()[-1] == "Error: interrupted; what was finished is kept"
    assert "Traceback" not in stderr
    library = Library(folder / "library")
    assert {*finished, *stdout.split()} <= set(library)
    assert all(library[ref].nnz for ref in finished)
    assert not list(library.root.rglob("*.tmp"))


def test_a_full_disk_is_said_and_leaves_nothing_half_written(record: SegaVec, recorded: Library) -> None:
    before = set(recorded)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        result = record("--concept", "beard", "--no-preview", exit_code=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "Error: " in result.stderr
    assert "File too large" in result.stderr
    assert set(recorded) == before
    assert not list(recorded.root.rglob("*.tmp"))
