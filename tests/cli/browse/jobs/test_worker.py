"""The process that generates, as far as it can be looked at without being one."""

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from sega_cli.browse.jobs.messages import Cancel, Doing, Start
from sega_cli.browse.jobs.orders import ApplyOrder
from sega_cli.browse.jobs.worker import CancelledError, Worker, _scaled
from tests.cli.samples import make_vector


def test_an_unforeseen_fault_is_the_jobs_failure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours, theirs = multiprocessing.Pipe()
    nonsense: Any = "not an order"
    ended = Worker(theirs, folder / "library", "cpu", "auto").work(Start(1, nonsense))
    assert ended.state == "failed"
    assert ended.reason.startswith("AttributeError: 'str' object has no attribute")
    assert "Traceback" in capsys.readouterr().err
    assert ours.recv() == Doing("starting")
    missing = Worker(theirs, folder / "library", "cpu", "auto").work(Start(2, ApplyOrder(["beef"], [{}], ["x"])))
    assert "beef" in missing.reason
    assert capsys.readouterr().err == "", "what a person can mend needs no traceback"
    ours.close()
    with pytest.raises(BrokenPipeError):
        Worker(theirs, folder / "library", "cpu", "auto").work(Start(3, nonsense))


def test_only_its_own_cancellation_is_heeded(folder: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    worker = Worker(theirs, folder / "library", "cpu", "auto")
    worker._job = 2
    worker._heed()
    ours.send(Cancel(1))
    worker._heed()
    ours.send(Cancel(1))
    ours.send(Cancel(2))
    with pytest.raises(CancelledError):
        worker._heed()


def test_a_factor_multiplies_the_scale_that_is_asked_for() -> None:
    vectors = [make_vector("glasses"), make_vector("smile")]
    edits = [{"edit_guidance_scale": 8.0, "edit_threshold": 0.9}, {}]
    assert _scaled(vectors, edits, 1.0) == edits
    assert _scaled(vectors, edits, -2.0) == [
        {"edit_guidance_scale": -16.0, "edit_threshold": 0.9},
        {"edit_guidance_scale": -10.0},
    ]
    assert _scaled([], edits, 0.0) == []
