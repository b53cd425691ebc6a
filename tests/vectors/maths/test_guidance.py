"""The guidance maths: against torch.quantile, and its algebra."""

from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from sega_vectors import Concept
from sega_vectors.maths.guidance import (
    add_guidance,
    add_momentum,
    keep_tails,
    semantic_direction,
    step_weights,
    tail_thresholds,
    weighted_sum,
)

DTYPES = [torch.float32, torch.float16, torch.bfloat16]


@st.composite
def directions(draw: Any, dtype: torch.dtype | None = None) -> Tensor:
    """ψ of any batch, channels and one to three spatial dimensions, with ties and zeros in it."""
    shape = draw(st.lists(st.integers(1, 7), min_size=3, max_size=5))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    psi = torch.randn(shape, generator=generator)
    if draw(st.booleans()):
        psi = (psi * 4).round() / 4  # many ties
    return psi.to(draw(st.sampled_from(DTYPES)) if dtype is None else dtype)


thresholds = st.sampled_from([0.0, 0.25, 0.5, 0.8, 0.9, 0.95, 0.99]) | st.floats(0, 0.999)


@given(psi=directions(), edit_threshold=thresholds)
def test_keeps_exactly_what_reaches_torch_quantile(psi: Tensor, edit_threshold: float) -> None:
    magnitude = psi.abs().float().flatten(2)
    expected = magnitude >= torch.quantile(magnitude, edit_threshold, dim=2, keepdim=True)
    kept = keep_tails(psi, edit_threshold)
    assert kept.dtype == psi.dtype
    assert torch.equal(kept.flatten(2), torch.where(expected, psi.flatten(2), 0))


def test_takes_more_elements_than_torch_quantile() -> None:
    psi = torch.randn(1, 1, 2**24 + 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(RuntimeError, match="too large"):
        torch.quantile(psi, 0.99)
    (threshold,) = tail_thresholds(psi, [0.99])
    assert (psi.abs() >= threshold[..., None]).float().mean().item() == pytest.approx(0.01, abs=1e-6)


@given(psi=directions(), pair=st.tuples(thresholds, thresholds))
def test_one_selection_serves_all_thresholds(psi: Tensor, pair: tuple[float, float]) -> None:
    for threshold, edit_threshold in zip(tail_thresholds(psi, pair), pair, strict=True):
        assert torch.equal(threshold, tail_thresholds(psi, [edit_threshold])[0])


@given(psi=directions(torch.float32), edit_threshold=thresholds)
def test_negating_the_direction_negates_what_is_kept(psi: Tensor, edit_threshold: float) -> None:
    assert torch.equal(keep_tails(-psi, edit_threshold), -keep_tails(psi, edit_threshold))


@given(psi=directions(), pair=st.tuples(thresholds, thresholds))
def test_a_stricter_threshold_keeps_a_part(psi: Tensor, pair: tuple[float, float]) -> None:
    loose, strict = sorted(pair)
    kept = keep_tails(psi, strict)
    assert torch.equal(kept, torch.where(kept != 0, keep_tails(psi, loose), 0))


def test_direction_is_the_difference_of_predictions() -> None:
    edit, uncond = torch.randn(2, 1, 4, 8, 8)
    assert torch.equal(semantic_direction(edit, uncond), edit - uncond)


@settings(max_examples=30)
@given(
    steps=st.integers(1, 8),
    scale=st.floats(0, 1),
    beta=st.floats(0, 0.99),
    count=st.integers(1, 4),
    seed=st.integers(0, 2**32),
)
def test_joint_momentum_is_the_sum_of_the_single_ones(
    steps: int, scale: float, beta: float, count: int, seed: int
) -> None:
    series = torch.randn(steps, count, 1, 2, 3, 3, generator=torch.Generator().manual_seed(seed))

    def run(terms: Tensor) -> list[Tensor]:
        momentum = torch.zeros(1, 2, 3, 3)
        out = []
        for term in terms:
            guidance, momentum = add_momentum(term, momentum, scale, beta)
            out.append(guidance)
        return out

    joint = run(series.sum(1))
    single = [run(series[:, i]) for i in range(count)]
    for step in range(steps):
        torch.testing.assert_close(joint[step], torch.stack([s[step] for s in single]).sum(0), rtol=1e-4, atol=1e-5)


def test_momentum_follows_its_equations() -> None:
    m0, m1 = torch.full((1, 1, 1, 1), 2.0), torch.full((1, 1, 1, 1), 4.0)
    gamma0, nu1 = add_momentum(m0, torch.zeros_like(m0), 0.5, 0.75)
    gamma1, nu2 = add_momentum(m1, nu1, 0.5, 0.75)
    assert (gamma0.item(), nu1.item()) == (2.0, 0.5)
    assert (gamma1.item(), nu2.item()) == (4.25, 0.75 * 0.5 + 0.25 * 4.25)


def test_weights_through_warm_up_and_cool_down() -> None:
    early = Concept("early", 2.0, edit_warmup_steps=1, edit_weight=3.0, edit_cooldown_steps=4)
    late = Concept("late", 5.0, edit_warmup_steps=3, reverse_editing_direction=True)
    weights = [step_weights([early, late], step) for step in range(5)]
    assert [w.guides for w in weights] == [False, True, True, True, True]
    assert [w.warm for w in weights] == [False, False, False, True, True]
    assert [w.early for w in weights] == [None, (2.0, 0.0), (2.0, 0.0), None, None]
    assert [w.joint for w in weights] == [(6.0, -5.0)] * 4 + [(0.0, -5.0)]


def test_weights_of_only_cooled_concepts_guide_nowhere() -> None:
    cooled, late = Concept("a", edit_warmup_steps=0, edit_cooldown_steps=1), Concept("b", edit_warmup_steps=9)
    assert step_weights([cooled, late], 5).early == (0.0, 0.0)


@given(psi=directions(torch.float32))
def test_scale_zero_adds_nothing_to_the_bit(psi: Tensor) -> None:
    noise_pred = torch.randn_like(psi)
    assert torch.equal(add_guidance(noise_pred, weighted_sum([psi], [0.0])), noise_pred)


@pytest.mark.parametrize("dtype", DTYPES)
def test_guidance_is_rounded_once(dtype: torch.dtype) -> None:
    noise_pred, guidance = torch.randn(2, 4, 8, 8).to(dtype), torch.randn(2, 4, 8, 8)
    guided = add_guidance(noise_pred, guidance)
    assert guided.dtype == dtype
    assert torch.equal(guided, (noise_pred.float() + guidance).to(dtype))


def test_learned_variance_is_left_alone() -> None:
    noise_pred, guidance = torch.randn(2, 6, 8, 8), torch.randn(2, 3, 8, 8)
    guided = add_guidance(noise_pred, guidance)
    assert torch.equal(guided[:, 3:], noise_pred[:, 3:])
    assert torch.equal(guided[:, :3], noise_pred[:, :3] + guidance)
