"""Stored vectors with the edit parameters that they are to be applied with."""

from typing import Any

import numpy as np
import pytest

from sega_store import Concept, InvalidInputError
from sega_vectors.maths.accumulator import Momentum
from sega_vectors.maths.parameters import Edit, edits
from tests.store.samples import vector

NAMES = (
    "edit_guidance_scale", "edit_threshold", "edit_warmup_steps", "edit_cooldown_steps", "reverse_editing_direction",
    "edit_weights", "edit_momentum_scale", "edit_mom_beta",
)  # fmt: skip


def made(count: int = 2, **given: Any) -> list[Edit]:
    return edits([vector("glasses"), vector("hat")][:count], **{**dict.fromkeys(NAMES), **given})


def concept(edit: Edit) -> Concept:
    return edit.concept(lambda recorded: 100 + recorded)


def test_nothing_given_is_as_recorded_and_warm_up_moves_with_the_schedule() -> None:
    (edit,) = made(1)
    recorded, run = edit.vector.concept, edit.vector.provenance.run
    assert concept(edit).edit_guidance_scale == recorded.edit_guidance_scale
    assert concept(edit).edit_warmup_steps == 100 + recorded.warmup
    assert edit.momentum() == Momentum(run.edit_momentum_scale, run.edit_mom_beta)
    assert edit.momentum((1.0, 2.0)).factor(1) == 2.0


def test_one_value_is_for_all_and_a_list_is_one_a_vector() -> None:
    one, two = made(edit_guidance_scale=7.0, edit_warmup_steps=[3, None], edit_weights=(0.5, 2.0), edit_mom_beta=0.7)
    assert (concept(one).edit_guidance_scale, concept(two).edit_guidance_scale) == (7.0, 7.0)
    assert concept(one).edit_warmup_steps == 3  # given ones count the run's steps
    assert concept(two).edit_warmup_steps == 100 + two.vector.concept.warmup
    assert (concept(one).edit_weight, concept(two).edit_weight) == (0.5, 2.0)
    assert one.momentum().beta == two.momentum().beta == 0.7


def test_a_stricter_threshold_keeps_fewer_entries() -> None:
    (loose,), (strict,) = made(1), made(1, edit_threshold=0.99)
    assert sum(strict.kept.counts) < sum(loose.kept.counts)
    assert strict.vector is not loose.vector or np.array_equal(strict.vector.values, loose.vector.values)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"edit_guidance_scale": [1.0]},
            r"edit_guidance_scale must be one value or one a vector \(2\), met a list of 1",
        ),
        ({"edit_threshold": 1.5}, "edit_threshold"),
        ({"edit_weights": -1.0}, "edit_weight"),
        ({"edit_warmup_steps": -1}, "edit_warmup_steps"),
    ],
)
def test_what_breaks_a_rule_is_refused_before_a_run(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        made(**given)


def test_a_threshold_looser_than_the_recording_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"recording of 'glasses', made with keep_threshold 0\.9"):
        edits([vector(edit_threshold=0.9)], **{**dict.fromkeys(NAMES), "edit_threshold": 0.5})
