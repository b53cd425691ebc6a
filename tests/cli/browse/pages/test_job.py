"""What a job's page is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from sega_cli.browse.jobs.messages import Doing, Ended, Event, Kept, Made, Step
from sega_cli.browse.jobs.orders import ApplyOrder, Order, RecordOrder
from sega_cli.browse.jobs.queue import Job, JobQueue
from sega_cli.browse.pages.job import _document
from sega_store import Concept

APPLIED = ApplyOrder(["a"], [{}], ["x"], (0.0, 1.0))
RECORDED = RecordOrder("x", [Concept("hat")])


def runs(*shots: int, made_at_once: bool) -> list[Event]:
    """What is told of runs of three steps."""
    events: list[Event] = []
    for shot in shots:
        events += [Step(shot, step, 3) for step in (1, 2, 3)]
        events += [Made(shot, b"", "", 0)] if made_at_once else []
    return [*events, *([] if made_at_once else [Made(shot, b"", "", 0) for shot in sorted(shots)])]


@pytest.mark.parametrize(
    ("order", "events"),
    [(APPLIED, runs(0, 1, made_at_once=True)), (RECORDED, runs(1, 0, made_at_once=False))],
)
def test_progress_never_goes_back(order: Order, events: list[Event], tmp_path: Path) -> None:
    queue, job = JobQueue(tmp_path), Job(1, order)
    told = [_document(queue, job)]
    job.progress = replace(job.progress, state="running")
    for event in (Doing("starting"), Doing("loading the model"), *events, Kept(("a",), True), Ended("done")):
        job.become(event)
        told.append(_document(queue, job))
    parts = [document["part"] for document in told]
    assert parts == sorted(parts)
    assert parts[-1] == 1.0
    texts = list(dict.fromkeys(document["text"] for document in told))
    assert texts == [
        "Next in the queue",
        "Starting the process that generates",
        "Loading the model",
        *(f"Picture {picture} of 2, step {step} of 3" for picture in (1, 2) for step in (1, 2, 3)),
        "Done",
    ]
    assert told[-1]["pictures"] == [0, 1]
