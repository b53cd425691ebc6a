"""What is said of a run that went through."""

from types import SimpleNamespace
from typing import Any

import pytest

from sega_vectors import Concept
from sega_vectors.pipeline.call import PipelineCall
from sega_vectors.pipeline.notes import cooldown_note, result_notes, text_notes
from tests.vectors.tiny import stable_diffusion


@pytest.mark.parametrize("cooldown", [None, 0, 5])
def test_a_cool_down_within_the_run_is_fine(cooldown: int | None) -> None:
    assert cooldown_note(Concept("glasses", edit_cooldown_steps=cooldown), 6) is None


@pytest.mark.parametrize("cooldown", [6, 7])
def test_a_cool_down_after_the_run_is_said(cooldown: int) -> None:
    note = cooldown_note(Concept("glasses", edit_cooldown_steps=cooldown), 6)
    assert note == f"edit_cooldown_steps {cooldown} of 'glasses' has no effect in a run of 6 steps"


@pytest.mark.parametrize("result", [(), SimpleNamespace(), SimpleNamespace(nsfw_content_detected=None)])
def test_a_run_without_a_safety_checker_has_no_note(result: Any) -> None:
    assert result_notes(result) == []


def test_pictures_are_counted_from_one() -> None:
    flagged = SimpleNamespace(nsfw_content_detected=[True, False, True])
    assert result_notes(flagged) == [f"picture {i} was blanked by the safety checker" for i in (1, 3)]


def test_each_text_that_is_cut_is_said_once() -> None:
    pipe, long = stable_diffusion(), "x" * 45
    call = PipelineCall.bind(pipe, (), {"prompt": [long, "a king", long], "negative_prompt": [long, "", "bad"]})
    cut = f"{'x' * 40!r} was cut: tokenizer takes 32 of 47 tokens, {'x' * 15!r} is lost"
    assert text_notes(call, [long, "glasses"]) == [
        f"the {kind} {cut}" for kind in ("prompt", "negative prompt", "concept")
    ]
    pipe.text_encoder = None
    assert text_notes(PipelineCall.bind(pipe, (), {"prompt": "a king"})) == [
        "text_encoder is missing: the pipeline goes without it"
    ]
