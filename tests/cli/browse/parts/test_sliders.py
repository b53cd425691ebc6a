"""Sliders of edit parameters."""

from dataclasses import replace

import pytest

from sega_cli.browse.parts.sliders import NEVER, Slider, edit_of, moved_to, sliders
from sega_store import Concept

CONCEPT = Concept("hat", edit_guidance_scale=7.3, edit_threshold=0.8, edit_warmup_steps=3, edit_weight=0.5)


def test_what_nobody_moved_is_as_recorded() -> None:
    made = sliders(CONCEPT, 20, keep=True)
    start = [slider.value for slider in made]
    assert start == [7.3, 0.8, 3, 20, 0.5]
    assert edit_of(made, start) == {}
    nearest = [slider.least + round((slider.value - slider.least) / slider.step) * slider.step for slider in made]
    assert edit_of(made, nearest) == {}, "a browser moves it to a step"


def test_what_was_moved_is_changed() -> None:
    made = sliders(CONCEPT, 20, keep=True)
    assert edit_of(made, [-12.0, 0.9, 5.0, 12.0, 1.0]) == {
        "edit_guidance_scale": -12.0,
        "edit_threshold": 0.9,
        "edit_warmup_steps": 5,
        "edit_cooldown_steps": 12,
        "edit_weight": 1.0,
    }


def test_the_right_end_of_the_cool_down_is_never() -> None:
    ends = sliders(Concept("hat", edit_cooldown_steps=8), 20, keep=True)
    assert [slider.text for slider in ends] == ["5", "0.95", "4", "8", "1"]
    assert edit_of(ends, [5, 0.95, 4, 20, 1]) == {"edit_cooldown_steps": NEVER}
    assert sliders(CONCEPT, 20, keep=True)[3].text == "never"


@pytest.mark.parametrize(
    "concept",
    [
        Concept("a", edit_guidance_scale=0.0, edit_weight=0.0, edit_warmup_steps=0),
        Concept("b", edit_guidance_scale=-40.0, edit_threshold=0.99, edit_warmup_steps=10**9, edit_cooldown_steps=0),
        Concept("c", edit_guidance_scale=1e9, edit_threshold=0.999, edit_weight=1e6),
    ],
)
@pytest.mark.parametrize("steps", [1, 50])
def test_every_concept_lies_on_its_sliders(concept: Concept, steps: int) -> None:
    for slider in sliders(concept, steps, keep=True):
        assert slider.least <= slider.value <= slider.most, slider
        assert slider.changed(slider.value) is None


def test_a_recording_may_keep_more() -> None:
    def threshold(made: list[Slider]) -> float:
        return made[1].least

    concept = Concept("a", edit_threshold=0.9, keep_threshold=0.7)
    assert threshold(sliders(concept, 20, keep=True)) == 0.7
    assert threshold(sliders(concept, 20, keep=False)) == 0.0


def test_sliders_stand_where_an_edit_moved_them() -> None:
    edit = {"edit_guidance_scale": -7.3, "edit_cooldown_steps": NEVER, "edit_weight": 0.5}
    made = moved_to(sliders(replace(CONCEPT, edit_cooldown_steps=8), 20, keep=True), edit)
    assert [slider.text for slider in made] == ["-7.3", "0.8", "3", "never", "0.5"]
    assert [slider.start_text for slider in made] == ["7.3", "0.8", "3", "8", "0.5"]
    unmoved = {"edit_weight"}
    assert edit_of(made, [slider.at for slider in made]) == {n: v for n, v in edit.items() if n not in unmoved}
