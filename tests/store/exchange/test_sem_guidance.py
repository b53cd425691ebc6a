from typing import Any

import numpy as np
import pytest

from sega_store import GuidanceVector
from sega_store.exchange.sem_guidance import sem_guidance
from tests.store.samples import provenance, vector

PLAIN: dict[str, Any] = {"edit_momentum_scale": 0.0, "edit_mom_beta": 0.4}


def recorded(run: dict[str, Any] | None = None, **concept: Any) -> GuidanceVector:
    return vector(facts=provenance(**(PLAIN if run is None else run)), **{"edit_warmup_steps": 0, **concept})


def test_without_momentum_it_is_the_scaled_vector() -> None:
    v = recorded(edit_guidance_scale=3.0, edit_weight=0.5)
    γ = sem_guidance(v)
    assert (γ.shape, str(γ.dtype)) == ((3, 1, 2, 4, 4), "float32")
    np.testing.assert_array_equal(γ[:, 0], np.float32(1.5) * v.dense())
    np.testing.assert_array_equal(
        sem_guidance(recorded(edit_guidance_scale=3.0, edit_weight=0.5, reverse_editing_direction=True)), -γ
    )


def test_warm_up_and_cool_down() -> None:
    γ = sem_guidance(recorded(edit_warmup_steps=1, edit_cooldown_steps=2))
    assert [bool(step.any()) for step in γ] == [False, True, False]


def test_momentum_builds_up_from_the_first_step() -> None:
    v = recorded({"edit_momentum_scale": 0.5, "edit_mom_beta": 0.25}, edit_guidance_scale=2.0, edit_warmup_steps=1)
    m = 2 * v.dense()
    second = m[1] + 0.5 * 0.75 * m[0]
    third = m[2] + 0.5 * (0.25 * 0.75 * m[0] + 0.75 * second)
    np.testing.assert_allclose(sem_guidance(v)[:, 0], [np.zeros_like(second), second, third], rtol=1e-6)


@pytest.mark.parametrize("threshold", [0.5, 0.9])
def test_only_the_tails_guide(threshold: float) -> None:
    v = vector(kept=1, facts=provenance(**PLAIN), edit_threshold=threshold, keep_threshold=0.0, edit_warmup_steps=0)
    kept = v.thresholded(threshold).dense()
    np.testing.assert_array_equal(sem_guidance(v)[:, 0] != 0, kept != 0)


def test_a_scale_too_large_ends_in_infinities() -> None:
    assert np.isinf(sem_guidance(recorded(edit_guidance_scale=1e39))).any()
