"""Making pictures: as single calls would, in whatever batches, and after interruptions; on the embedded model."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from sega_store import InvalidInputError, Library, PipelineError, UnknownRefError
from sega_store.analysis.noise_space import nearest, slerp
from sega_vectors import Applier, Recorder, load_pipeline
from sega_vectors.study.laboratory import Archive, Laboratory, make_all
from sega_vectors.study.runs import Derived, Nearest, Noise, Recorded, Run

from . import making
from .plans import small_plan

PLAN = small_plan()
GLASSES = PLAN.concept("glasses")
MAN, WOMAN = "a photograph of a man", "a pencil drawing of a woman"
OWN, OTHER = Recorded(GLASSES, MAN, 1), Recorded(GLASSES, WOMAN, 2)
GREY_LEVELS = 1
"""By how much a picture of a batch may differ: sums of floats are of another order there, and rounding may fall so."""


@pytest.fixture(scope="module")
def pipe() -> DiffusionPipeline:
    pipe = load_pipeline("embedded", "cpu", "float32")
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="module")
def laboratory(pipe: DiffusionPipeline, tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """One in which the two recordings were made, in one call."""
    folder = tmp_path_factory.mktemp("laboratory")
    made = Laboratory(pipe, making.archive_in(folder), Library(folder / "library"))
    assert made.make([OWN.run, OTHER.run]) == 2
    return made


def assert_alike(one: Image.Image, other: Image.Image) -> None:
    difference = np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16))
    assert difference.max() <= GREY_LEVELS


def assert_unlike(one: Image.Image, other: Image.Image) -> None:
    assert np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max() > 8


def single(pipe: DiffusionPipeline, run: Run, laboratory: Laboratory) -> Image.Image:
    """A run by itself, without the laboratory's batches."""
    generator = torch.Generator().manual_seed(run.noise.seed)
    if run.fresh:
        call = Recorder(pipe, run.fresh, guide=run.guide)
        return call(run.prompt, generator=generator, **PLAN.arguments).images[0]  # type: ignore[no-any-return]
    noise = laboratory.noise(run.noise)
    vectors = [laboratory.vector(use.source, noise) for use in run.applied]
    scales = [dict(use.edits).get("edit_guidance_scale") for use in run.applied]
    applier = Applier(pipe, vectors, noise=noise, edit_guidance_scale=scales)
    return applier(run.prompt, **PLAN.arguments).images[0]  # type: ignore[no-any-return]


def test_recordings_in_a_batch_are_those_of_single_calls(pipe: DiffusionPipeline, laboratory: Laboratory) -> None:
    for recorded in (OWN, OTHER):
        run = recorded.run
        assert_alike(laboratory.archive.picture(run), single(pipe, run, laboratory))
        recorder = Recorder(pipe, [GLASSES])
        recorder(run.prompt, generator=torch.Generator().manual_seed(run.noise.seed), **PLAN.arguments)
        (kept,) = laboratory.archive.vectors(run)
        vector, alone = laboratory.library[kept], recorder.vectors[0]
        assert vector.provenance.noise == alone.provenance.noise
        assert vector.provenance.run.prompt == run.prompt
        both = vector.support & alone.support
        assert both.sum() > 0.999 * max(vector.nnz, alone.nnz), "few entries are as large as the threshold"
        assert np.allclose(vector.dense()[both], alone.dense()[both], atol=1e-3)
        assert laboratory.noise(run.noise).sha256 == recorder.noises[0].sha256


def test_recordings_of_several_concepts_keep_them_apart(laboratory: Laboratory) -> None:
    batch = [Run(MAN, Noise(seed), fresh=(GLASSES, PLAN.concept("beard"))) for seed in (1, 2)]
    laboratory.make(batch)
    for run in batch:
        vectors = [laboratory.library[identity] for identity in laboratory.archive.vectors(run)]
        assert [vector.concept.text for vector in vectors] == ["glasses", "beard"]
        assert {vector.provenance.noise.seed for vector in vectors} == {run.noise.seed}


def test_unguided_recordings_are_plain_pictures(laboratory: Laboratory) -> None:
    run = Run(MAN, Noise(1), fresh=(GLASSES,), guide=False)
    laboratory.make([run])
    laboratory.make([run.plain])
    assert_alike(laboratory.archive.picture(run), laboratory.archive.picture(run.plain))
    assert laboratory.archive.vectors(run) != laboratory.archive.vectors(OWN.run)


def test_applied_runs_in_a_batch_are_those_of_single_calls(pipe: DiffusionPipeline, laboratory: Laboratory) -> None:
    """Other scales, several vectors, none, two prompts of one noise, a control and what belongs to no noise."""
    mean = Derived("mean", (OWN, OTHER))
    batch = [
        PLAN.run(WOMAN, 1, PLAN.applied(OWN)),
        PLAN.run("a photograph of a woman", 1, PLAN.applied(OWN)),
        PLAN.run(MAN, 2, PLAN.applied(OTHER, edit_guidance_scale=5.0), PLAN.applied(OWN)),
        PLAN.run(MAN, 3),
        PLAN.run(WOMAN, 4, PLAN.applied(mean)),
        PLAN.run(MAN, 5, PLAN.applied(mean)),
        PLAN.run(MAN, 6, PLAN.applied(Derived("shuffled", (OWN,), 1.0))),
    ]
    assert laboratory.make(batch) == len(batch)
    for run in batch:
        assert_alike(laboratory.archive.picture(run), single(pipe, run, laboratory))
        assert laboratory.archive.vectors(run) == []


def test_a_vector_of_another_noise_is_moved_and_acts(laboratory: Laboratory) -> None:
    run = PLAN.run(WOMAN, 3, PLAN.applied(OWN))
    noise = laboratory.noise(run.noise)
    vector = laboratory.vector(OWN, noise)
    assert vector.provenance.noise.sha256 == noise.sha256
    assert vector.content == laboratory.vector(OWN, laboratory.noise(Noise(1))).content
    laboratory.make([run])
    laboratory.make([run.plain])
    assert_unlike(laboratory.archive.picture(run), laboratory.archive.picture(run.plain))


def test_the_nearest_noises_vector_is_chosen(laboratory: Laboratory) -> None:
    for near, share in ((OWN, 0.25), (OTHER, 0.75)):
        noise = laboratory.noise(Noise(1, 2, share))
        for low_pass in (1, 4):
            chosen = laboratory.vector(Nearest((OWN, OTHER), low_pass), noise)
            assert chosen.content == laboratory.vector(near, noise).content
    noise, stored = laboratory.noise(Noise(9)), [laboratory.noise(Noise(seed)) for seed in (1, 2)]
    for low_pass in (1, 4):
        expected = (OWN, OTHER)[nearest(noise, stored, low_pass)]
        chosen = laboratory.vector(Nearest((OWN, OTHER), low_pass), noise)
        assert chosen.provenance.run.prompt == expected.prompt


def test_a_mixed_noise_lies_between_two(laboratory: Laboratory) -> None:
    one, other = (laboratory.noise(Noise(seed)) for seed in (1, 2))
    mixed = laboratory.noise(Noise(1, 2, 0.25))
    assert mixed.sha256 == slerp(one, other, 0.25).sha256
    assert np.allclose(laboratory.noise(Noise(1, 2, 0.0)).array, one.array, atol=1e-6)


def test_runs_from_mixed_noises_are_recorded_and_guided(pipe: DiffusionPipeline, laboratory: Laboratory) -> None:
    noises = [Noise(1, 2, 0.25), Noise(1, 2, 0.75)]
    fresh = [Run(MAN, noise, fresh=(GLASSES,)) for noise in noises]
    applied = [Run(MAN, noise, applied=(PLAN.applied(OTHER),)) for noise in noises]
    for batch in (fresh, applied, [run.plain for run in fresh]):
        laboratory.make(batch)
    for run in fresh:
        (identity,) = laboratory.archive.vectors(run)
        assert laboratory.library[identity].provenance.noise.sha256 == laboratory.noise(run.noise).sha256
    for run in [*fresh, *applied]:
        assert_unlike(laboratory.archive.picture(run), laboratory.archive.picture(run.plain))
    assert_alike(laboratory.archive.picture(applied[0]), single(pipe, applied[0], laboratory))


def test_pictures_are_kept_with_what_they_are(tmp_path: Path) -> None:
    archive = Archive(tmp_path, {"model": "embedded", "dtype": "float32", "arguments": {}})
    archive.keep(OWN.run, Image.new("RGB", (8, 8), "red"), ["a", "b"])
    assert archive.vectors(OWN.run) == ["a", "b"]
    assert archive.picture(OWN.run).getpixel((0, 0)) == (255, 0, 0)
    assert archive.missing([OWN.run, OTHER.run]) == [OTHER.run]
    elsewhere = Archive(tmp_path, {"model": "embedded", "dtype": "float32", "arguments": {"num_inference_steps": 3}})
    assert elsewhere.missing([OWN.run]) == [OWN.run]


def test_a_vector_that_its_library_lacks_is_asked_for(laboratory: Laboratory, tmp_path: Path) -> None:
    archive = laboratory.archive
    assert archive.vector(OWN, laboratory.library).provenance.run.prompt == OWN.prompt
    with pytest.raises(
        UnknownRefError, match=r"must be in its library; .*another lacks .*: name the library .* delete"
    ):
        archive.vector(OWN, Library(tmp_path / "another"))


def test_a_pipeline_without_pictures_is_refused(pipe: DiffusionPipeline, tmp_path: Path) -> None:
    arguments = {**PLAN.arguments, "return_dict": False}
    archive = Archive(tmp_path, {"model": "embedded", "dtype": "float32", "arguments": arguments})
    with pytest.raises(PipelineError, match=r"a study judges pictures.*take a text-to-image pipeline"):
        Laboratory(pipe, archive, Library(tmp_path / "library")).make([OWN.run.plain])


def inodes(folder: Path) -> dict[Path, int]:
    """The pictures and what tells whether they were written anew."""
    return {path: path.stat().st_ino for path in folder.rglob("*.png")}


def in_session(leader: int) -> list[int]:
    """The processes of a session that are alive."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = status.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) == leader and state not in "ZX":
            found.append(int(status.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the processes from /proc")
def test_a_killed_study_leaves_no_process_and_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.vectors.study.making", str(tmp_path)]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        while len(inodes(tmp_path)) < 6:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.02)
        assert len(in_session(process.pid)) >= 3
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    deadline = time.monotonic() + 30
    while in_session(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert in_session(process.pid) == []

    before, steps = inodes(tmp_path), list[int]()
    assert len(before) < len(making.runs()), "nothing was left to do"
    making.make(tmp_path, 1, steps.append)
    after = inodes(tmp_path)
    assert len(after) == len(making.runs())
    assert sum(steps) == len(after) - len(before)
    assert {path: after[path] for path in before} == before
    assert len(Library(tmp_path / "library")) == len(PLAN.pairs)
    assert making.archive_in(tmp_path).missing(making.runs()) == []

    making.make(tmp_path, 2, steps.append)
    assert inodes(tmp_path) == after
    assert sum(steps) == len(after) - len(before), "nothing is made anew"


def failing(jobs: int, folder: Path, count: int) -> tuple[int, int]:
    """A run that can't be made, before many that can; how many of them were made, and of how many."""
    looser = replace(OWN, concept=PLAN.concept("glasses", edit_threshold=0.9, keep_threshold=0.9))
    good = [Run(MAN, Noise(seed), applied=(PLAN.applied(looser),)) for seed in range(count)]
    bad = Run(MAN, Noise(1), applied=(PLAN.applied(looser, edit_threshold=0.5),))
    archive, steps = making.archive_in(folder), list[int]()
    library = Library(folder / "library")
    with pytest.raises(InvalidInputError, match=r"0\.5"):
        make_all(archive, library, [bad, *good], device="cpu", batch_size=1, jobs=jobs, progress=steps.append)
    assert archive.path(looser.run).exists(), "what was made before is kept"
    return len(good) - sum(run in good for run in archive.missing(good)), len(good)


def test_a_run_that_fails_ends_the_study(tmp_path: Path) -> None:
    assert failing(1, tmp_path, 2) == (0, 2)


@pytest.mark.slow
def test_a_run_that_fails_in_a_process_cancels_the_rest(tmp_path: Path) -> None:
    made, of = failing(2, tmp_path, 60)
    assert made < of


def test_a_model_that_no_process_can_load_is_reported(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "pictures", {"model": str(tmp_path), "dtype": "float32", "arguments": {}})
    with pytest.raises(PipelineError, match=r"must hold model_index\.json"):
        make_all(archive, Library(tmp_path / "library"), making.runs(), batch_size=1, jobs=2)


@pytest.mark.slow
def test_a_process_that_is_ended_is_reported(tmp_path: Path) -> None:
    def end_one(made: int) -> None:
        active_children()[0].kill()

    with pytest.raises(PipelineError, match=r"2 jobs holds .* ended from outside: ask for fewer jobs .* is kept"):
        making.make(tmp_path, 2, end_one)
    made = inodes(tmp_path)
    assert made
    making.make(tmp_path, 1)
    assert len(inodes(tmp_path)) == len(making.runs())
