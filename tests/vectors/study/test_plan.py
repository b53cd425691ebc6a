"""Plans: how concepts, prompts and noises are paired, what is refused, and JSON."""

import json
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sega_vectors import Concept, InvalidInputError
from sega_vectors.study.plan import Plan, default_plan, evenly
from sega_vectors.study.points import POINTS
from sega_vectors.study.runs import Applied, Noise, Recorded, Run

from .plans import small_plan

STYLES, SUBJECTS = ("photo of", "drawing of", "relief of", "mosaic of"), ("a man", "a woman", "a child", "a king")


@given(st.integers(2, 4), st.integers(2, 4), st.integers(2, 40))
def test_a_pair_has_prompts_of_both_kinds_and_another_noise(styles: int, subjects: int, noises: int) -> None:
    plan = small_plan(styles=STYLES[:styles], subjects=SUBJECTS[:subjects], seeds=tuple(range(noises)))
    sources = {pair.seed: pair.source for pair in plan.every_pair}
    assert [*sources] == list(range(noises))
    for pair in plan.every_pair:
        style, subject = pair.source.split(" of ")
        assert pair.same_style.startswith(f"{style} of ")
        assert not pair.same_style.endswith(subject)
        assert pair.other_style.endswith(f" of {subject}")
        assert not pair.other_style.startswith(style)
        assert pair.other != pair.seed
        assert pair.other_source == sources[pair.other]
        if sum(source == pair.source for source in sources.values()) > 1:
            assert pair.other_source == pair.source


def test_styles_and_subjects_take_turns() -> None:
    pairs = default_plan("embedded").every_pair
    assert len({pair.source for pair in pairs[:25]}) == 25
    assert len({(pair.source, pair.other_style) for pair in pairs}) > 40
    for attribute in ("same_style", "other_style"):
        assert len({getattr(pair, attribute) for pair in pairs}) > 20


def test_the_first_noises_are_tried() -> None:
    plan = small_plan(seeds=tuple(range(10, 20)), tried=6, few=3)
    assert [pair.seed for pair in plan.pairs] == [10, 11, 12, 13, 14, 15]
    assert plan.few_pairs == plan.pairs[:3]
    assert len(plan.every_pair) == 10


def test_what_a_plan_gives() -> None:
    plan = small_plan()
    pair = plan.pairs[0]
    own = plan.recorded("glasses", pair, edit_threshold=0.9)
    concept = Concept("glasses", edit_guidance_scale=10.0, edit_threshold=0.9, edit_warmup_steps=0)
    assert own == Recorded(concept, "a photograph of a man", 1)
    assert plan.control("glasses", pair) == Recorded(plan.concept("glasses"), pair.other_source, pair.other)
    assert plan.applied(own) == Applied(own, (("edit_guidance_scale", 15.0),))
    assert dict(plan.applied(own, edit_guidance_scale=3.0, edit_weights=2.0).edits) == {
        "edit_guidance_scale": 3.0,
        "edit_weights": 2.0,
    }
    assert plan.run("a king", 1, plan.applied(own)) == Run("a king", Noise(1), applied=(plan.applied(own),))
    assert plan.named("a king", "a hat") == "a king with a hat"
    assert small_plan(swaps=(("smile", "beard"), ("hat", "smile"))).judged == ("glasses", "beard", "smile", "hat")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"concepts": ()}, "at least 1 concepts.*met none.*--concept"),
        ({"concepts": ("hat", "hat")}, "each once; met hat, hat"),
        ({"concepts": (" ",)}, "text"),
        ({"styles": ("a photo of",)}, "at least 2 styles.*met a photo of.*--style"),
        ({"subjects": ("a man",)}, "at least 2 subjects"),
        ({"seeds": (3,)}, "at least 2 seeds.*met 3"),
        ({"seeds": (3, 3)}, "each once"),
        ({"few": 1}, "few must be from 2 to tried, met 1 of 4"),
        ({"few": 5}, "met 5 of 4"),
        ({"few_concepts": 0}, "few_concepts must be .*at least 1, met 0"),
        ({"edit": {"scale": 5.0}}, "edit.*'scale'"),
        ({"edit": {"edit_threshold": 2.0}}, "edit_threshold must be in"),
        ({"apply_scale": float("nan")}, "apply_scale"),
        ({"naming": "{prompt} with {thing}"}, "naming.*{prompt} with {thing}"),
        ({"naming": "{prompt"}, "naming"),
        ({"naming": "{prompt} with it"}, "naming"),
        ({"naming": "{prompt:d} with {concept}"}, "naming"),
        ({"naming": "{prompt} with {concept.text}"}, "naming"),
        ({"swaps": (("hat", "beard", "smile"),)}, "swap.*met hat, beard, smile"),
        ({"swaps": (("hat", "hat"),)}, "swap.*met hat, hat"),
    ],
)
def test_what_no_study_can_be_made_of_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        small_plan(**changes)


@pytest.mark.parametrize("plan", [default_plan("embedded"), default_plan("a/model"), small_plan()])
def test_a_plan_from_its_json_makes_the_same_runs(plan: Plan) -> None:
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    for point in POINTS.values():
        first, second = ([run.key({}) for run in islice(point.runs(p), 100)] for p in (plan, again))
        assert first == second


def test_equal_runs_of_a_plan_have_one_key_though_numbers_are_whole() -> None:
    plan = small_plan(apply_scale=15, edit={"edit_guidance_scale": 10, "edit_threshold": 0.8})
    keys: dict[Run, str] = {}
    for point in POINTS.values():
        for run in point.runs(plan):
            assert keys.setdefault(run, run.key({})) == run.key({})


def test_evenly_spaced() -> None:
    assert evenly(range(10), 5) == [0, 2, 4, 6, 8]
    assert evenly("abc", 5) == ["a", "b", "c"]
    assert evenly(range(32), 10)[-1] == 28
