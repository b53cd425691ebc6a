"""Evidence: where pictures changed and whether that is in place, on pictures that are made for it; asking a judge."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sega_store import Library
from sega_vectors.study import evidence as module
from sega_vectors.study.evidence import Evidence, cells, judge_all, place_runs
from sega_vectors.study.laboratory import Archive
from sega_vectors.study.plan import Plan
from sega_vectors.study.rows import Rate, rate_in_place
from sega_vectors.study.runs import Noise, Run

from .plans import small_plan

SIDE = 64
OUTSIDE = 16 * 16 - 13  # of the 16 cells that SEGA changes here, 13 hold 80% of the change


class Brightness:
    """A judge that takes a picture's mean grey for the probability of each concept, and counts what it was asked."""

    def __init__(self, *concepts: str) -> None:
        self.concepts = concepts
        self.asked: list[Image.Image] = []

    def __call__(self, images: Sequence[Image.Image]) -> dict[str, NDArray[np.float32]]:
        self.asked += images
        means = np.array([np.asarray(image.convert("L")).mean() / 255 for image in images], np.float32)
        return dict.fromkeys(self.concepts, means)


def picture(*squares: tuple[int, int, int], grey: int = 100, brighter: int = 50) -> Image.Image:
    """A grey picture with brighter squares, each given by its upper left corner and its side."""
    pixels = np.full((SIDE, SIDE, 3), grey, np.uint8)
    for row, column, side in squares:
        pixels[row : row + side, column : column + side] += np.uint8(brighter)
    return Image.fromarray(pixels)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "pictures", {"model": "embedded", "dtype": "float32", "arguments": {}})


@pytest.fixture
def plan() -> Plan:
    return small_plan()


def in_archive(archive: Archive, plan: Plan) -> Evidence:
    """SEGA brightens another square at each noise; the first pair's other prompt is edited as it or elsewhere."""
    archived = [Run(pair.source, Noise(pair.seed)) for pair in plan.pairs]
    for index, run in enumerate(archived):
        archive.keep(run, picture(), ())
        archive.keep(run.sega(plan.concept("glasses")), picture((16 * index, 16, 16)), ())
    return Evidence(plan, archive, Library(archive.folder.parent / "library"), {})


def target(plan: Plan) -> Run:
    return plan.run(plan.pairs[0].source, 1, plan.applied(plan.control("glasses", plan.pairs[0])))


@pytest.mark.parametrize("shape", [(64, 64), (16, 16), (32, 80)])
def test_cells_are_means_of_squares(shape: tuple[int, int]) -> None:
    change = np.random.default_rng(0).random(shape)
    rows, columns = shape[0] // 16, shape[1] // 16
    assert np.allclose(cells(change), change.reshape(16, rows, 16, columns).mean(axis=(1, 3)))


@pytest.mark.parametrize("shape", [(50, 70), (17, 31), (8, 8), (5, 100), (1, 1)])
def test_cells_of_any_size_are_means_over_their_area(shape: tuple[int, int]) -> None:
    change = np.random.default_rng(0).random(shape)
    fine = np.repeat(np.repeat(change, 16, axis=0), 16, axis=1)  # whose sides 16 divides
    expected = fine.reshape(16, shape[0], 16, shape[1]).mean(axis=(1, 3))
    assert np.allclose(cells(change), expected)


def test_a_change_is_measured_against_the_plain_run_over_all_colours(archive: Archive, plan: Plan) -> None:
    run = target(plan)
    pixels = np.asarray(picture()).copy()
    pixels[:4, 4:8, 0] += 30
    archive.keep(run.plain, picture(), ())
    archive.keep(run, Image.fromarray(pixels), ())
    change = Evidence(plan, archive, Library(archive.folder / "library"), {}).change(run)
    expected = np.zeros((16, 16))
    expected[0, 1] = 10
    assert np.allclose(change, expected)


def test_a_change_is_in_place_where_sega_changes_the_picture(archive: Archive, plan: Plan) -> None:
    evidence, run = in_archive(archive, plan), target(plan)
    assert evidence.chance("glasses") == 0, "at no two noises SEGA changed the same place"
    archive.keep(run, picture((0, 16, 16), brighter=25), ())
    assert evidence.place(run, "glasses") == pytest.approx(1)
    assert evidence.in_place(run, "glasses")
    assert evidence.elsewhere(run, "glasses") == pytest.approx(3 * 25 / OUTSIDE), "three cells are left of the sixteen"


def test_a_change_at_another_place_is_not_in_place(archive: Archive, plan: Plan) -> None:
    evidence, run = in_archive(archive, plan), target(plan)
    archive.keep(run, picture((32, 32, 16), brighter=50), ())
    assert evidence.place(run, "glasses") == 0
    assert not evidence.in_place(run, "glasses")
    assert evidence.elsewhere(run, "glasses") == pytest.approx(16 * 50 / OUTSIDE)


def test_a_change_must_be_nearer_to_segas_than_other_noises_are(archive: Archive, plan: Plan) -> None:
    """Where SEGA always changes the same place, no change there is remarkable."""
    for pair in plan.pairs:
        run = Run(pair.source, Noise(pair.seed))
        archive.keep(run, picture(), ())
        archive.keep(run.sega(plan.concept("glasses")), picture((0, 0, 32)), ())
    evidence, run = Evidence(plan, archive, Library(archive.folder / "library"), {}), target(plan)
    archive.keep(run, picture((0, 0, 32), (40, 40, 8)), ())
    assert evidence.chance("glasses") == pytest.approx(1)
    assert not evidence.in_place(run, "glasses")


def test_nothing_that_changed_is_nowhere(archive: Archive, plan: Plan) -> None:
    evidence, run = in_archive(archive, plan), target(plan)
    archive.keep(run, picture(), ())
    assert evidence.elsewhere(run, "glasses") == 0
    assert evidence.place(run, "glasses") == 0
    assert not evidence.in_place(run, "glasses")
    assert evidence.similarity(run) == pytest.approx(1)


def test_similarity_falls_with_every_change(archive: Archive, plan: Plan) -> None:
    evidence, run = in_archive(archive, plan), target(plan)
    archive.keep(run, picture((0, 0, 32)), ())
    assert evidence.similarity(run) < 0.95


def test_shown_in_place_is_both(archive: Archive, plan: Plan) -> None:
    run = target(plan)
    evidence = in_archive(archive, plan)
    archive.keep(run, picture((0, 16, 16)), ())
    for probability, shown in ((0.5, False), (0.51, True)):
        judged = Evidence(plan, archive, evidence.library, {run: {"glasses": probability}})
        assert judged.probability(run, "glasses") == probability
        assert judged.shows(run, "glasses") is shown
        rows = judged.rows([({"concept": "glasses"}, run)], "place", "in place")
        assert rate_in_place(rows) == Rate(int(shown), 1)


def test_the_runs_that_tell_the_place_are_each_pairs_plain_one_and_segas(plan: Plan) -> None:
    found = list(place_runs(plan, ["glasses", "beard"]))
    assert len(found) == 2 * 2 * len(plan.pairs)
    assert all(run.plain in found for run in found)


@pytest.fixture
def plain(archive: Archive) -> list[Run]:
    """Five pictures, each brighter than the one before."""
    runs = [Run("a man", Noise(seed)) for seed in range(5)]
    for run in runs:
        archive.keep(run, picture(grey=51 * run.noise.seed), ())
    return runs


def test_a_judge_is_asked_once_for_each_picture(
    archive: Archive, plain: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK", 2)
    memory, judge, steps = tmp_path / "judged.json", Brightness("hat"), list[int]()
    first = judge_all(archive, plain[:3], judge, memory, steps.append)
    assert [round(first[run]["hat"], 2) for run in plain[:3]] == [0.0, 0.2, 0.4]
    assert steps == [2, 1]
    again = judge_all(archive, [*plain, plain[0]], judge, memory, steps.append)
    assert again == {**first, plain[3]: {"hat": 0.6}, plain[4]: {"hat": 0.8}}
    assert steps == [2, 1, 2]
    assert len(judge.asked) == 5
    assert len(json.loads(memory.read_text())) == 5


def test_a_judge_that_has_come_to_tell_more_is_asked_again(archive: Archive, plain: list[Run], tmp_path: Path) -> None:
    memory = tmp_path / "judged.json"
    judge_all(archive, plain[:3], Brightness("hat"), memory)
    judge = Brightness("beard")
    found = judge_all(archive, plain, judge, memory)
    assert len(judge.asked) == 5
    assert found[plain[2]] == {"hat": 0.4, "beard": 0.4}
    assert judge_all(archive, plain[:3], Brightness("hat", "beard"), memory) == {run: found[run] for run in plain[:3]}


def test_what_was_judged_before_an_end_is_kept(
    archive: Archive, plain: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK", 2)
    memory, judge = tmp_path / "judged.json", Brightness("hat")

    def end(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge_all(archive, plain, judge, memory, end)
    assert len(judge.asked) == len(json.loads(memory.read_text())) == 2
    judge_all(archive, plain, judge, memory)
    assert len(judge.asked) == 5


def test_a_write_that_fails_leaves_the_old_memory(
    archive: Archive, plain: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, judge = tmp_path / "judged.json", Brightness("hat")
    judge_all(archive, plain[:2], judge, memory)
    before = memory.read_bytes()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        judge_all(archive, plain, judge, memory)
    assert memory.read_bytes() == before
