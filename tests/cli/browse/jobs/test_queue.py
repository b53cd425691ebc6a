"""Jobs on the embedded model, in a real process that is killed, cancelled and kept waiting."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sega_cli.browse import app
from sega_cli.browse.jobs import queue as job_queue
from sega_cli.browse.jobs.messages import Doing, Ended, LivePicture, Made, Note, Step
from sega_cli.browse.jobs.orders import STRIP, ApplyOrder, RecordOrder
from sega_cli.browse.jobs.queue import BusyError, Job, JobQueue, Progress
from sega_store import Concept, Library
from tests.cli.provenance import read_provenance

FEW = {"num_inference_steps": 4}
MANY = {"num_inference_steps": 900}
GLASSES = Concept("glasses", edit_guidance_scale=10, edit_threshold=0.8, edit_warmup_steps=1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("jobs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGA_VEC_CACHE", str(folder / "cache"))
        yield folder / "library"


@pytest.fixture(scope="module")
def queue(place: Path) -> Iterator[JobQueue]:
    queue = JobQueue(place, most_waiting=3)
    yield queue
    queue.close()


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)


def finished(job: Job, state: str = "done") -> Progress:
    until(lambda: job.progress.over)
    assert job.progress.state == state, job.progress
    return job.progress


@pytest.fixture(scope="module")
def recorded(queue: JobQueue) -> Progress:
    return finished(queue.submit(RecordOrder("a portrait of a man", [GLASSES], seed=3, run=FEW)))


def test_recording_fills_the_library(queue: JobQueue, recorded: Progress, place: Path, tmp_path: Path) -> None:
    library = Library(place)
    (identity,) = recorded.kept
    assert recorded.new
    vector = library[identity]
    assert vector.provenance.run.num_inference_steps == 4
    assert vector.provenance.run.guidance_scale == 4.0, "the model's default"
    assert vector.preview is not None
    assert library.noise(identity).seed == 3
    names = {}
    for shot, made in recorded.pictures.items():
        path = tmp_path / made.name
        path.write_bytes(made.png)
        names[shot] = [v["id"] for v in read_provenance(path)["vectors"]]
    assert names == {0: [], 1: [identity]}
    again = finished(queue.submit(RecordOrder("a portrait of a man", [GLASSES], seed=3, run=FEW)))
    assert (again.kept, again.new, again.pictures) == ((identity,), False, {})


def test_another_concept_is_recorded_from_a_noise_of_the_library(
    queue: JobQueue, recorded: Progress, place: Path
) -> None:
    library = Library(place)
    noise = library[recorded.kept[0]].provenance.noise.sha256
    (identity,) = finished(queue.submit(RecordOrder("a king", [Concept("hat")], noise=noise, run=FEW))).kept
    assert library[identity].provenance.noise.sha256 == noise


def test_applying_makes_a_picture_for_each_prompt_and_factor(
    queue: JobQueue, recorded: Progress, tmp_path: Path
) -> None:
    order = ApplyOrder(recorded.kept, [{"edit_guidance_scale": 15.0}], ["a queen", "a king"], STRIP)
    progress = finished(queue.submit(order))
    assert sorted(progress.pictures) == list(range(10))
    scales = []
    for shot in range(5):
        made = progress.pictures[shot]
        (tmp_path / made.name).write_bytes(made.png)
        facts = read_provenance(tmp_path / made.name)
        assert facts["run"]["prompt"] == "a queen"
        scales.append([vector["edit"]["edit_guidance_scale"] for vector in facts["vectors"]])
    assert scales == [[-30.0], [-15.0], [], [15.0], [30.0]]
    assert len({made.png for made in progress.pictures.values()}) == 10
    assert {made.denoiser_rows for made in progress.pictures.values()} == {8}, "no row for the concept"


def test_applying_to_its_own_prompt_gives_the_recorded_picture(queue: JobQueue, recorded: Progress) -> None:
    progress = finished(queue.submit(ApplyOrder(recorded.kept, [{}], ["a portrait of a man"], (0.0, 1.0))))
    for shot in (0, 1):
        one, other = (np.asarray(Image.open(io.BytesIO(p.pictures[shot].png)), int) for p in (recorded, progress))
        assert np.abs(one - other).max() <= 1, "sums of floats are of another order, and rounding may fall otherwise"
    assert progress.notes == (), "it is exact"
    changed = finished(queue.submit(ApplyOrder(recorded.kept, [{}], ["a man"], (1.0, 2.0), {"guidance_scale": 3.0})))
    assert changed.notes == ("glasses: guidance_scale 3.0 instead of 4.0",), "once for both"


def test_progress_is_told_step_by_step_with_looks(queue: JobQueue, recorded: Progress) -> None:
    job = queue.submit(ApplyOrder(recorded.kept, [{}], ["a queen"], (0.0, 1.0), {"num_inference_steps": 30}))
    seen: list[Progress] = []

    def over() -> bool:
        seen.append(job.progress)
        return job.progress.over

    until(over)
    steps = [(p.shot, p.done, p.count) for p in seen if p.shot is not None and p.count]
    assert steps == sorted(steps)
    assert {shot for shot, _, _ in steps} == {0, 1}
    assert {count for _, _, count in steps} == {30}
    assert len(set(steps)) > 10
    assert [p.version for p in seen] == sorted(p.version for p in seen)
    live = {p.live for p in seen if p.live}
    assert len(live) > 2
    assert {Image.open(io.BytesIO(picture.data)).size for picture in live} == {(64, 64)}


def test_a_refused_order_says_why(queue: JobQueue, recorded: Progress, place: Path) -> None:
    missing = finished(queue.submit(ApplyOrder(["0" * 8], [{}], ["a man"])), "failed")
    assert "00000000" in missing.reason
    loose = finished(queue.submit(ApplyOrder(recorded.kept, [{"edit_threshold": 0.1}], ["a man"])), "failed")
    assert "looser than the recording" in loose.reason
    absent = finished(queue.submit(RecordOrder("a", [GLASSES], model="no/such-model", run=FEW)), "failed")
    assert "downloads none" in absent.reason
    other = finished(queue.submit(RecordOrder("a man", [GLASSES], seed=4, run=FEW))).kept
    mixed = finished(queue.submit(ApplyOrder([*recorded.kept, *other], [{}, {}], ["a man"])), "failed")
    assert "was recorded with initial noise" in mixed.reason
    assert not mixed.pictures


def test_what_a_run_leaves_out_is_noted_once(queue: JobQueue, recorded: Progress) -> None:
    long = finished(queue.submit(ApplyOrder(recorded.kept, [{}], ["a " * 90], factors=[0.0, 1.0])))
    assert len(long.pictures) == 2
    (note,) = (note for note in long.notes if "was cut" in note)
    assert note.startswith("the prompt 'a a a ")
    made = finished(queue.submit(RecordOrder("a " * 90, [GLASSES], seed=5, run=FEW)))
    assert note in made.notes
    assert made.kept


def test_a_running_job_is_cancelled_at_its_next_step_and_the_model_stays(queue: JobQueue, recorded: Progress) -> None:
    process = queue.process
    job = queue.submit(ApplyOrder(recorded.kept, [{}], ["a queen"], run=MANY))
    until(lambda: job.progress.done > 3)
    queue.cancel(job)
    assert finished(job, "cancelled").done < 800
    finished(queue.submit(ApplyOrder(recorded.kept, [{}], ["a queen"])))
    assert queue.process is process


def test_waiting_jobs_are_limited_and_cancelled_at_once(queue: JobQueue, recorded: Progress) -> None:
    long = ApplyOrder(recorded.kept, [{}], ["a queen"], run=MANY)
    running = queue.submit(long)
    until(lambda: running.progress.state == "running")
    waiting = [queue.submit(long) for _ in range(3)]
    assert [queue.ahead(job) for job in waiting] == [1, 2, 3]
    with pytest.raises(BusyError, match="3 jobs may wait"):
        queue.submit(long)
    for job in waiting:
        queue.cancel(job)
        assert job.progress.state == "cancelled"
    assert queue.submit(long).progress.state == "queued"
    for job in queue.list():
        queue.cancel(job)
    finished(running, "cancelled")


def test_a_killed_process_is_the_jobs_failure_and_the_next_gets_a_new_one(queue: JobQueue, recorded: Progress) -> None:
    job = queue.submit(ApplyOrder(recorded.kept, [{}], ["a queen"], run=MANY))
    until(lambda: job.progress.done > 3)
    process = queue.process
    assert process is not None
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    assert "by the signal SIGKILL, often for lack of memory" in finished(job, "failed").reason
    finished(queue.submit(ApplyOrder(recorded.kept, [{}], ["a queen"])))
    assert queue.process is not process


def test_a_process_that_does_not_heed_is_ended(
    queue: JobQueue, recorded: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queue.submit(ApplyOrder(recorded.kept, [{}], ["a queen"], run=MANY))
    until(lambda: job.progress.done > 3)
    process = queue.process
    assert process is not None
    assert process.pid is not None
    monkeypatch.setattr(queue, "_patience", 0.2)
    os.kill(process.pid, signal.SIGSTOP)
    queue.cancel(job)
    finished(job, "cancelled")
    assert not process.is_alive()


def test_what_is_over_is_forgotten_in_its_turn(place: Path) -> None:
    queue = JobQueue(place, most_kept=2, most_bytes=10)
    for number in range(1, 6):
        job = queue._jobs[number] = Job(number, RecordOrder("a", [GLASSES]))
        if number < 5:
            job.become(Ended("done"))
    queue._forget()
    assert list(queue._jobs) == [3, 4, 5]
    for job in queue._jobs.values():
        job.become(Made(0, b"123456", "a.png", 0))
    queue._forget()
    assert list(queue._jobs) == [4, 5], "by their size, but for the last"


def test_progress_adds_up() -> None:
    progress = Progress()
    for event in (Doing("loading"), Step(0, 1, 9), LivePicture(0, b"live"), Step(0, 2, 9), Note("a"), Note("b")):
        progress = progress.after(event)
    live = LivePicture(0, b"live")
    assert (progress.done, progress.live, progress.notes, progress.version) == (2, live, ("a", "b"), 6)
    progress = progress.after(Step(1, 1, 9))
    assert (progress.runs, progress.shot) == (2, 1)
    assert not progress.over
    assert progress.after(Ended("failed", "why")).over


def test_closing_ends_everything(place: Path) -> None:
    queue = JobQueue(place)
    job = queue.submit(RecordOrder("a", [GLASSES], run=MANY))
    until(lambda: queue.process is not None and queue.process.is_alive())
    process = queue.process
    queue.close()
    assert job.progress.state == "cancelled"
    assert process is not None
    assert not process.is_alive()
    with pytest.raises(BusyError):
        queue.submit(job.order)


def test_the_servers_process_never_imports_torch() -> None:
    code = f"import {app.__name__}, {job_queue.__name__}, sys; assert not {{'torch', 'diffusers'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
