"""Orders are valid by construction."""

from typing import Any

import pytest

from sega_cli.browse.jobs.orders import STRIP, ApplyOrder, RecordOrder, Shot
from sega_store import Concept, InvalidInputError


def test_an_order_makes_a_picture_for_each_prompt_and_factor() -> None:
    order = ApplyOrder(["a"], [{}], ["x", "y"], (0.0, 1.0))
    assert order.shots == (Shot("x", 0.0), Shot("x", 1.0), Shot("y", 0.0), Shot("y", 1.0))
    assert [Shot("x", factor).caption for factor in STRIP] == [
        "guided × −2", "guided × −1", "plain", "guided", "guided × 2",
    ]  # fmt: skip
    assert [shot.factor for shot in RecordOrder("x", [Concept("hat")]).shots] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vectors": [], "edits": []}, "1 to 8 vectors, met 0"),
        ({"vectors": list("abcdefghi"), "edits": [{}] * 9}, "1 to 8 vectors, met 9"),
        ({"edits": []}, "each vector is applied once"),
        ({"vectors": ["a", "a"], "edits": [{}, {}]}, "each vector is applied once"),
        ({"prompts": []}, "1 to 8 prompts, met 0"),
        ({"prompts": ["x"] * 9}, "1 to 8 prompts, met 9"),
        ({"prompts": ["a", " "]}, "a prompt has 1 to 2000"),
        ({"prompts": ["a" * 2001]}, "met 2001"),
        ({"factors": ()}, "1 to 40 pictures, met 0"),
        ({"prompts": list("abcdefgh"), "factors": (1.0,) * 6}, "1 to 40 pictures, met 48"),
        ({"run": {"num_inference_steps": 0}}, "from 1 to 1000, met 0"),
        ({"run": {"num_inference_steps": 10**9}}, "from 1 to 1000"),
        ({"run": {"height": 10**6}}, "met height"),
        ({"run": {"negative_prompt": "x" * 5000}}, "a negative prompt has"),
    ],
)
def test_what_is_too_much_or_nothing_is_refused(changes: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"vectors": ["a"], "edits": [{}], "prompts": ["x"]}
    ApplyOrder(**good)
    with pytest.raises(InvalidInputError, match=message):
        ApplyOrder(**{**good, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": ""}, "the prompt has"),
        ({"concepts": []}, "1 to 8 concepts, met 0"),
        ({"concepts": [Concept("x" * 2001)]}, "a concept has"),
        ({"model": " "}, "the model's name has"),
        ({"seed": -1}, "met -1"),
        ({"seed": 2**63}, "a seed is"),
        ({"run": {"num_inference_steps": 1001}}, "met 1001"),
    ],
)
def test_a_recording_has_its_limits_too(changes: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"prompt": "x", "concepts": [Concept("hat")], "seed": 2**63 - 1}
    RecordOrder(**good)
    with pytest.raises(InvalidInputError, match=message):
        RecordOrder(**{**good, **changes})
