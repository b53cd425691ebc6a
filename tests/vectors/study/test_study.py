"""A study as a whole: what is made, that it is made once, and that every point finds something."""

import json
from pathlib import Path

import pytest

from sega_store import InvalidInputError, Library
from sega_vectors.judging.embedded_judge import Judge
from sega_vectors.study.points import POINTS
from sega_vectors.study.report import StudyReport
from sega_vectors.study.study import Study, read_plan

from .conftest import Finished
from .plans import small_plan
from .test_evidence import Brightness, picture


def test_a_point_is_one_of_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"a point is one of robustness, transfer,.*met 'nothing'"):
        Study(small_plan(), ["nothing"], tmp_path, Library(tmp_path / "library"))


def test_the_runs_of_a_study_are_those_of_its_points_once(tmp_path: Path) -> None:
    library = Library(tmp_path / "library")
    whole = Study(small_plan(), tuple(POINTS), tmp_path, library).runs
    assert len(set(whole)) == len(whole)
    parts = [set(Study(small_plan(), [name], tmp_path, library).runs) for name in POINTS]
    assert set(whole) == set().union(*parts)
    assert len(whole) < 0.8 * sum(map(len, parts)), "points share runs"


def test_verdicts_of_judges_with_similar_names_are_kept_apart(tmp_path: Path) -> None:
    for name in ("clip:a/b", "clip:a-b", "clip:a:b", "clip:A-b"):
        plan = small_plan(judge=name, concepts=("glasses",), seeds=(1, 2), tried=2)
        study, judge = Study(plan, ["composition"], tmp_path, Library(tmp_path / "library")), Brightness("glasses")
        for run in study.missing():
            study.archive.keep(run, picture(), ())
        for _ in range(2):
            study.evidence(judge)
        assert len(judge.asked) == len(study.runs), f"{name} was asked once for each"


def test_pictures_of_another_precision_are_made_anew(tmp_path: Path) -> None:
    def study(dtype: str) -> Study:
        return Study(small_plan(), ["composition"], tmp_path, Library(tmp_path / "library"), "cpu", dtype)

    for run in study("auto").missing():
        study("auto").archive.keep(run, picture(), ())
    assert study("float32").missing() == [], "what the embedded model has by itself"
    assert study("bfloat16").missing() == study("bfloat16").runs


@pytest.mark.parametrize("name", POINTS)
def test_every_point_finds_something(finished: Finished, name: str) -> None:
    found = finished.findings[name]
    assert all(text.strip() for text in found.text)
    assert found.text
    assert found.tables
    assert found.figures
    assert found.rows
    for table in found.tables:
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.columns)}
        assert all(isinstance(cell, str) for row in table.rows for cell in row)
        assert "nan" not in {cell for row in table.rows for cell in row}


def test_figures_have_names_of_their_own(finished: Finished) -> None:
    names = [figure.name for found in finished.findings.values() for figure in found.figures]
    assert len(set(names)) == len(names)


def test_probabilities_are_the_judges_own(finished: Finished) -> None:
    judge = Judge.load()
    for run in finished.study.runs[::40]:
        image = finished.study.archive.picture(run)
        assert finished.evidence.probability(run, "glasses") == pytest.approx(judge.has("glasses", image), abs=1e-4)


def test_a_second_run_makes_nothing_and_finds_the_same(
    finished: Finished, reported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = finished.study.folder
    before = {path: path.stat().st_mtime_ns for path in (folder / "pictures").rglob("*.png")}
    monkeypatch.setattr("sega_vectors.study.laboratory.load_pipeline", None)
    steps: list[int] = []
    again = Study(read_plan(reported / "plan.json"), tuple(POINTS), folder, Library(folder / "library"))
    assert again.missing() == []
    again.make(steps.append)
    findings = again.findings(again.evidence(Judge.load(), steps.append))
    assert steps == [], "no picture is made, and the judge isn't asked"
    assert {path: path.stat().st_mtime_ns for path in (folder / "pictures").rglob("*.png")} == before

    written = StudyReport(again.plan, findings, {"Time": "0.0 minutes"}).write(tmp_path)
    assert len(written) == sum(path.is_file() for path in reported.rglob("*"))
    for path in written:
        before_it = (reported / path.relative_to(tmp_path)).read_bytes()
        assert path.read_bytes() == before_it.replace(b"1.0 minutes", b"0.0 minutes"), path.name


def test_a_plan_is_read_from_what_a_report_keeps(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(small_plan().to_json()))
    assert read_plan(path) == small_plan()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        "\udcff",
        json.dumps({**small_plan().to_json(), "seeds": [1]}),
        json.dumps({**small_plan().to_json(), "seeds": ["1", "2"]}),
        json.dumps({**small_plan().to_json(), "edit": {"unknown": 1}}),
        json.dumps({**small_plan().to_json(), "swaps": [["hat"]]}),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidInputError, match=r"a plan is a JSON file that a study wrote; .*plan.json can't be read"):
        read_plan(path)
    with pytest.raises(InvalidInputError, match="can't be read"):
        read_plan(tmp_path)
