"""`sega-vec study`: what it says it would make, what it refuses before it makes anything, and a tiny study."""

import json
import re
from pathlib import Path

import pytest

from sega_cli.commands.study import POINTS
from sega_store import Library
from sega_vectors.study import points
from sega_vectors.study.plan import Plan, default_plan
from tests.cli.conftest import SegaVec
from tests.vectors.study.plans import small_plan

TINY = ("--concept", "glasses", "--style", "a photograph of", "--style", "a pencil drawing of", "--subject", "a man",
        "--subject", "a woman", "--seed", "1,2", "--few", "2", "--steps", "2", "--device", "cpu")  # fmt: skip


@pytest.fixture
def plan(folder: Path) -> Path:
    """A small plan's file."""
    path = folder / "plan.json"
    path.write_text(json.dumps(small_plan().to_json()), encoding="utf-8")
    return path


def test_the_points_are_the_studys_own() -> None:
    assert tuple(points.POINTS) == POINTS


def test_a_dry_run_says_what_would_be_made_and_makes_nothing(sega_vec: SegaVec, folder: Path) -> None:
    result = sega_vec("study", "--dry-run", "--json")
    document = json.loads(result.stdout)
    assert document["pictures"] == document["made"] > 5000
    assert Plan.from_json(document["plan"]) == default_plan("embedded")
    assert f"{document['pictures']} pictures, {document['made']} of them to be made" in result.stderr
    assert not (folder / "sega-vec-study").exists()


def test_options_change_the_plan(sega_vec: SegaVec, plan: Path) -> None:
    options = ("--swap", "hat", "smile", "--apply-scale", "12", "--guidance-scale", "3", "--plan", str(plan))
    document = json.loads(sega_vec("study", "composition", "--dry-run", "--json", *TINY, *options).stdout)
    found = Plan.from_json(document["plan"])
    expected = small_plan(
        concepts=("glasses",),
        seeds=(1, 2),
        swaps=(("hat", "smile"),),
        apply_scale=12.0,
        arguments={"num_inference_steps": 2, "guidance_scale": 3.0},
    )
    assert found == expected
    assert document["pictures"] == 2 * (1 + 1 + 2 + 3), "plain, SEGA, both recordings, three ways for each noise"


def test_another_model_is_judged_by_a_clip(sega_vec: SegaVec, tiny_model: str) -> None:
    document = json.loads(sega_vec("study", "--model", tiny_model, "--dry-run", "--json").stdout)
    assert document["plan"]["judge"].startswith("clip:")
    assert document["plan"]["model"] == tiny_model


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "'nothing' is not one of 'robustness'"),
        (["--judge", "nobody"], "a judge is 'embedded', or clip:MODEL"),
        (["--concept", "a monocle"], "the embedded judge can tell .*; met 'a monocle': take clip:MODEL"),
        (["--swap", "hat", "monocle"], "met 'monocle'"),
        (["--seed", "5"], "a study needs at least 2 seeds, each once; met 5: give more, such as another --seed"),
        (["--style", "a photograph of"], "at least 2 styles"),
        (["--concept", "hat", "--concept", "hat"], "each once; met hat, hat"),
        (["--few", "40"], "few must be from 2 to tried, met 40 of 32"),
        (["--few", "1"], "Invalid value for '--few'"),
        (["--jobs", "0"], "Invalid value for '--jobs'"),
        (["--plan", "missing.json"], "'missing.json' does not exist"),
        (["--plan", "plan.json", "--model", "embedded"], "--plan plan.json names its model, met --model embedded too"),
        (["--plan", "broken.json"], "a plan is a JSON file that a study wrote; broken.json can't be read"),
    ],
)
@pytest.mark.usefixtures("plan")
def test_what_cannot_be_studied_is_refused_before_a_picture_is_made(
    sega_vec: SegaVec, folder: Path, arguments: list[str], said: str
) -> None:
    (folder / "broken.json").write_text("{}")
    result = sega_vec("study", *arguments, exit_code=2)
    output = " ".join(result.output.replace("│", " ").split())
    assert re.search(said, output), output
    assert not list(folder.rglob("*.png"))


def test_a_tiny_study_is_made_and_resumed(sega_vec: SegaVec, folder: Path) -> None:
    command = ("study", "composition", *TINY, "--swap", "beard", "glasses", "--output", "out")
    document = json.loads(sega_vec(*command, "--json").stdout)
    assert document["pictures"] == document["made"] == 14
    assert document["report"] == str(Path("out/report.html"))
    assert all((folder / name).is_file() for name in [document["report"], *document["files"]])
    pictures = {path: path.stat().st_ino for path in (folder / "out" / "pictures").rglob("*.png")}
    assert len(pictures) == 14
    assert len(Library(folder / "out" / "library")) == 2 * (2 + 2), "two recordings, and two concepts at once"
    facts = json.loads((folder / "out" / "study.json").read_text())["facts"]
    assert facts["Pictures"] == "14, of which 14 were made by this command"
    assert "minutes" in facts["Time"]

    lost = next(path for path in sorted(pictures))
    lost.unlink()
    result = sega_vec(*command, "--quiet")
    assert result.stdout.split() == [str(Path("out/report.html"))]
    assert {path: path.stat().st_ino for path in pictures if path != lost}.items() <= pictures.items()
    assert lost.exists()

    resumed = sega_vec("study", "composition", "--plan", "out/plan.json", "--output", "out")
    assert "14 pictures, 0 of them to be made" in resumed.stderr
    assert "Report: out/report.html" in resumed.stdout.replace("\\", "/")


def test_vectors_go_to_a_library_by_name(sega_vec: SegaVec, folder: Path) -> None:
    document = json.loads(
        sega_vec("study", "composition", *TINY, "--swap", "beard", "glasses", "--library", "mine", "--json").stdout
    )
    assert document["made"] == 14
    assert len(Library(folder / "mine")) == 8
    assert not (folder / "sega-vec-study" / "library").exists()
