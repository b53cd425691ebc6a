"""`sega-vec distil`, of glasses that the embedded model wears at two noises."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sega_cli.commands.distil import METHODS
from sega_store import GuidanceVector, Library
from sega_store.records import distil
from tests.cli.conftest import SegaVec
from tests.cli.samples import make_vector

QUICK = ("--seed", "1001", "--to-prompt", "a cartoon of a king")


def parents(library: Library) -> list[GuidanceVector]:
    return [library["first"], library["second"]]


def test_it_is_kept_and_what_was_measured_is_in_its_notes(glasses: Library, sega_vec: SegaVec) -> None:
    expected = distil.mean(parents(glasses))
    result = sega_vec("distil", "glasses", "--name", "any glasses", *QUICK, "--json")
    document = json.loads(result.stdout)
    assert document["id"] == glasses.resolve("any glasses") == expected.id
    assert set(document["parents"]) == {vector.id for vector in parents(glasses)}
    assert (document["name"], document["method"]) == ("any glasses", "mean")
    measured = document["measured"]
    assert (measured["with"]["of"], measured["plain"]["of"], measured["plain"]["shown"]) == (1, 1, 0)
    assert (measured["seeds"], measured["judge"], measured["edit_guidance_scale"]) == ([1001], "embedded", 15)
    shown = measured["with"]["shown"]
    said = f"Distilled; at 1 other noises, on 1 prompts, at edit_guidance_scale 15: shown in {shown}/1 pictures"
    assert glasses.entry("any glasses").notes.startswith(said)
    glasses.annotate("any glasses", notes="mine")
    for _ in range(2):
        sega_vec("distil", "glasses", *QUICK)
    assert glasses.entry("any glasses").notes.splitlines() == ["mine", measured["note"]]


def test_every_method(record: SegaVec, sega_vec: SegaVec, folder: Path) -> None:
    library = Library(folder / "library")
    ids = record("--concept", "beard", "--seed", "1..4", "--no-preview", "--quiet").stdout.split()
    recorded = [library[identity] for identity in ids]
    for method in METHODS:
        identity = sega_vec("distil", "beard", "--method", method, "--quiet").stdout.strip()
        assert library[identity] == distil.METHODS[method](recorded)
    assert len(library) == 4 + 4


def test_the_methods_are_the_librarys() -> None:
    assert tuple(distil.METHODS) == METHODS


def test_what_does_not_agree_with_the_newest_is_left_out(glasses: Library, sega_vec: SegaVec) -> None:
    first = glasses["first"]
    glasses.add(replace(first, concept=replace(first.concept, edit_weight=2.0)))  # as old as the first
    glasses.add(make_vector("glasses"))  # older
    glasses.add(first.thresholded(0.9))  # no recording
    result = sega_vec("distil", "glasses", *QUICK)
    assert "left out 2 of another concept than the newest" in result.stderr
    assert "mean of 2" in result.stdout
    assert "without it in 0/1 pictures" in result.stdout
    again = json.loads(sega_vec("distil", "glasses", "--limit", "1", *QUICK, "--json").stdout)
    assert again["parents"] == [glasses.resolve("second")], "the newest; and what was distilled is no recording"


def test_a_model_without_a_judge_is_not_measured(recorded: Library, sega_vec: SegaVec, tiny_model: str) -> None:
    document = json.loads(sega_vec("distil", "hat", "--model", tiny_model, "--json").stdout)
    assert document["measured"] is None
    assert recorded.entry(document["id"]).notes == ""
    judged = json.loads(sega_vec("distil", "hat", "--judge", "embedded", *QUICK, "--json").stdout)
    assert judged["measured"]["edit_guidance_scale"] == recorded[document["id"]].concept.edit_guidance_scale


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["beard"], 1, "no recording of 'beard': record it at several noises"),
        (["glasses", "--model", "somebody/model"], 1, "of the model somebody/model"),
        (["glasses", "--seed", "1,2,3"], 2, "met those of --seed 1,2"),
        (["glasses", "--judge", "nobody"], 2, "met 'nobody'"),
        (["glasses", "--name", "first", *QUICK], 2, "The name 'first' is"),
        (["glasses", "--method", "median"], 2, "sign_vote"),
    ],
)
def test_bad_input_keeps_nothing(
    glasses: Library, sega_vec: SegaVec, arguments: list[str], exit_code: int, message: str
) -> None:
    before = set(glasses)
    assert message in sega_vec("distil", *arguments, exit_code=exit_code).stderr
    assert set(glasses) == before
