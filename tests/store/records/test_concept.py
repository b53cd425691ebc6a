from typing import Any

import numpy as np
import pytest

from sega_store import Concept, InvalidInputError


def test_keep_threshold_is_resolved() -> None:
    assert Concept("glasses").keep_threshold == 0.9
    assert Concept("glasses", edit_threshold=0.8).keep_threshold == 0.8
    assert Concept("glasses", keep_threshold=0.5).keep_threshold == 0.5


def test_numbers_become_pythons_own() -> None:
    numbers: dict[str, Any] = {"edit_guidance_scale": 5, "edit_warmup_steps": np.int64(3), "edit_weight": np.float32(1)}
    concept = Concept("glasses", **numbers)
    assert concept == Concept("glasses", 5.0, edit_warmup_steps=3, edit_weight=1.0)
    assert {type(value) for value in concept.to_json().values()} == {str, float, int, type(None), bool}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"text": "  "}, "blank"),
        ({"text": "\ud800"}, "surrogates"),
        ({"edit_threshold": 1.0}, r"\[0, 1\), met 1.0"),
        ({"edit_threshold": -0.1}, r"\[0, 1\), met -0.1"),
        ({"edit_threshold": float("nan")}, "finite"),
        ({"keep_threshold": 0.96}, "keep_threshold .* met 0.96"),
        ({"edit_guidance_scale": float("inf")}, "edit_guidance_scale must be a finite number"),
        ({"edit_guidance_scale": "5"}, "edit_guidance_scale must be a finite number"),
        ({"edit_warmup_steps": -1}, "edit_warmup_steps must be a whole number of at least 0, met -1"),
        ({"edit_warmup_steps": 1.5}, "edit_warmup_steps"),
        ({"edit_cooldown_steps": -1}, "edit_cooldown_steps"),
        ({"edit_weight": -1.0}, "reverse_editing_direction"),
    ],
)
def test_broken_rules_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Concept(**{"text": "glasses", **parameters})
