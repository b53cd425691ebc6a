from dataclasses import replace
from typing import Any

import pytest

from sega_store import InvalidInputError, Recommendation
from tests.store.samples import RECOMMENDED


def test_json_both_ways_and_the_parameters() -> None:
    assert Recommendation.from_json(RECOMMENDED.to_json()) == RECOMMENDED
    assert RECOMMENDED.parameters == {"edit_guidance_scale": 12.5, "edit_threshold": 0.95, "edit_warmup_steps": 2}


@pytest.mark.parametrize(
    "fields",
    [
        {"edit_guidance_scale": float("inf")},
        {"edit_threshold": 1.0},
        {"edit_threshold": -0.1},
        {"edit_warmup_steps": -1},
        {"edit_warmup_steps": 1.5},
        {"judge": ""},
        {"judge": "two\nlines"},
        {"shown": 13},
        {"plain": 13},
        {"shown": -1},
        {"of": 0},
    ],
)
def test_broken_rules_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(fields)) if "judge" not in fields else "judge"):
        replace(RECOMMENDED, **fields)
