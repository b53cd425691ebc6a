"""`sega-vec tune`, on glasses that the embedded model wears."""

import json
from dataclasses import replace

import pytest

from sega_store import Library, Recommendation
from tests.cli.conftest import SegaVec
from tests.cli.samples import RECOMMENDED, make_vector
from tests.store.samples import without_noise

ON = ("--to-prompt", "a cartoon of a king")
SMALL = ("--edit-threshold", "0.8", "--edit-warmup-steps", "2", *ON)
TINY = ("--edit-guidance-scale", "0", "--edit-threshold", "0.9", "--edit-warmup-steps", "1", "--judge", "embedded", *ON)


def test_what_works_is_recommended_and_kept(glasses: Library, sega_vec: SegaVec) -> None:
    scales = ("--edit-guidance-scale", "1", "--edit-guidance-scale", "15")
    document = json.loads(sega_vec("tune", "first", *scales, *SMALL, "--json").stdout)
    assert document["id"] == glasses.resolve("first")
    assert [one["sha256"] for one in document["noises"]] == [glasses.noise("first").sha256]
    assert (document["judge"], document["prompts"]) == ("embedded", ["a cartoon of a king"])
    weak, strong = document["tried"]
    assert (weak["edit_guidance_scale"], strong["edit_guidance_scale"]) == (1, 15)
    assert weak["change"] < strong["change"]
    assert (document["plain"]["shown"], weak["shown"], strong["shown"], strong["of"]) == (0, 0, 1, 1)
    assert strong["interval"][0] < strong["rate"] == 1
    expected = Recommendation(15.0, 0.8, 2, "embedded", 1, 0, 1)
    assert (document["kept"], document["recommended"]) == (True, expected.to_json())
    assert glasses.recommended("first") == expected


def test_rows_for_people_and_an_id_for_programs(glasses: Library, sega_vec: SegaVec) -> None:
    quick = ("tune", "first", "--edit-guidance-scale", "15", *SMALL)
    row, line = sega_vec(*quick, "--dry-run").stdout.splitlines()
    assert row.split("\t")[:4] == ["15", "0.8", "2", "1/1 pictures (1.00, 95% 0.21-1.00)"]
    assert row.split("\t")[5] == "recommended"
    assert line.startswith("first: edit_guidance_scale 15, edit_threshold 0.8, edit_warmup_steps 2: shown in 1/1")
    assert glasses.recommended("first") is None
    assert sega_vec(*quick, "--quiet").stdout.split() == [glasses.resolve("first")]
    assert glasses.recommended("first") is not None


def test_what_does_nothing_is_not_recommended(recorded: Library, sega_vec: SegaVec) -> None:
    recorded.annotate("glasses", recommended=RECOMMENDED)
    said = sega_vec("tune", "glasses", *TINY).stdout
    assert "nothing to recommend: no setting shows it more often than the 0/1 without" in said
    document = json.loads(sega_vec("tune", "glasses", *TINY, "--json").stdout)
    assert (document["recommended"], document["kept"]) == (None, False)
    assert recorded.recommended("glasses") == RECOMMENDED, "what was found before stays"


def test_a_vector_of_no_noise_is_not_tuned(recorded: Library, sega_vec: SegaVec) -> None:
    recorded.add(without_noise(recorded["glasses"]), name="any")
    assert "measured not to work" in sega_vec("tune", "any", *TINY, exit_code=4).stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["first", "--edit-threshold", "0.5"], 2, "looser than the recording"),
        (["first", "--judge", "nobody"], 2, "met 'nobody'"),
        (["foreign"], 2, "give --judge clip:MODEL and --to-prompt"),
        (["hat"], 1, "doesn't hold the initial noise"),
        (["reversed"], 2, "guides away from"),
        (["glases"], 1, "Did you mean"),
    ],
)
def test_bad_input_says_the_rule_and_the_remedy(
    glasses: Library, sega_vec: SegaVec, arguments: list[str], exit_code: int, message: str
) -> None:
    glasses.add(make_vector("hat"))
    first = glasses["first"]
    reverse = replace(first, concept=replace(first.concept, reverse_editing_direction=True))
    glasses.add(reverse, name="reversed")
    model = replace(first.provenance.model, id="somebody/model")
    foreign = replace(first, provenance=replace(first.provenance, model=model, created="2026-01-01T00:00:00Z"))
    assert foreign.id == first.id, "a model's name only describes"
    foreign = replace(foreign, concept=replace(foreign.concept, edit_weight=2.0))
    glasses.add(foreign, name="foreign")
    assert message in sega_vec("tune", *arguments, exit_code=exit_code).stderr
