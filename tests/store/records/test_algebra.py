from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sega_store import GuidanceVector, IncompatibleError, InvalidInputError
from sega_store.records.algebra import moved
from sega_store.records.dtypes import narrow, widen
from tests.store.samples import PREVIEW, noise, provenance, vector, vectors


@given(vectors())
def test_a_vector_less_itself_is_nothing(v: GuidanceVector) -> None:
    assert (v - v).nnz == 0
    assert (v + -v).nnz == 0
    assert (0 * v).nnz == 0
    assert -1 * -v == v
    assert 1 * v == v
    assert -1 * v == -v


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_is_the_sum_of_what_each_applies(dtype: str, sign: int) -> None:
    v = vector("glasses", seed=1, dtype=dtype, edit_threshold=0.9, keep_threshold=0.5)
    w = vector("smile", seed=2, edit_threshold=0.8)
    total = v + w if sign > 0 else v - w
    expected = v.thresholded(0.9).dense() + sign * w.thresholded(0.8).dense()
    assert total.dtype == "float32"
    np.testing.assert_array_equal(total.dense(), expected)
    assert (total.concept.edit_threshold, total.concept.keep_threshold) == (0, 0)
    assert total.thresholded(0) is total
    assert total.provenance.derived_from == (v.content, w.content)


def test_a_common_dtype_stays() -> None:
    v, w = vector(seed=1, dtype="float16"), vector(seed=2, dtype="float16")
    total = v + w
    assert total.dtype == "float16"
    np.testing.assert_array_equal(total.dense(), (v.dense() + w.dense()).astype(np.float16))


@given(vectors(dtype="float32"), st.floats(-4, 4))
def test_multiples_scale_the_values(v: GuidanceVector, scale: float) -> None:
    with np.errstate(over="ignore", under="ignore"):
        expected = v.dense() * np.float32(scale)
    if np.isfinite(expected).all():
        np.testing.assert_array_equal((scale * v).dense(), expected)
    else:
        with pytest.raises(InvalidInputError, match="too large for float32"):
            scale * v


def test_multiples_keep_thresholds_and_drop_the_preview() -> None:
    v = vector(edit_threshold=0.9, keep_threshold=0.5).with_preview(PREVIEW)
    scaled = np.float32(2) * v
    assert isinstance(scaled, GuidanceVector)
    assert scaled == v * 2
    assert replace(scaled.concept, text="glasses") == v.concept
    assert scaled.preview is None
    assert scaled.provenance.derived_from == (v.content,)


@pytest.mark.parametrize(
    ("compute", "text"),
    [
        (lambda v, w: v + w, "glasses + smile"),
        (lambda v, w: v - w, "glasses - smile"),
        (lambda v, w: 1.5 * v, "1.5 * glasses"),
        (lambda v, w: -v, "-glasses"),
        (lambda v, w: v - (v + w), "glasses - (glasses + smile)"),
        (lambda v, w: v + (v - w), "glasses + glasses - smile"),
        (lambda v, w: 2 * (v + w), "2 * (glasses + smile)"),
        (lambda v, w: v - -w, "glasses - (-smile)"),
    ],
)
def test_results_are_called_by_their_formula(
    compute: Callable[[GuidanceVector, GuidanceVector], GuidanceVector], text: str
) -> None:
    assert compute(vector("glasses"), vector("smile")).concept.text == text


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (lambda: vector(shape=(3, 2, 4, 5)), "shape"),
        (lambda: replace(vector(), timesteps=np.ones(3)), "timesteps"),
        (lambda: replace(vector(), sigmas=np.ones(3)), "sigmas"),
        (lambda: vector(facts=provenance(noise(seed=1))), "initial noise"),
        (lambda: vector(facts=provenance(edit_mom_beta=0.5)), "edit_mom_beta"),
        (lambda: vector(facts=provenance(edit_momentum_scale=0.5)), "edit_momentum_scale"),
        (lambda: vector(edit_guidance_scale=6), "edit_guidance_scale"),
        (lambda: vector(edit_warmup_steps=3), "edit_warmup_steps"),
        (lambda: vector(edit_cooldown_steps=3), "edit_cooldown_steps"),
        (lambda: vector(edit_weight=3), "edit_weight"),
        (lambda: vector(reverse_editing_direction=True), "reverse_editing_direction"),
    ],
)
def test_unlike_vectors_are_not_added(other: Callable[[], GuidanceVector], what: str) -> None:
    with pytest.raises(IncompatibleError, match=rf"share their {what}: .*Applier\(pipe, \[v, w\]\)"):
        vector() + other()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_quotient_is_that_of_the_values(dtype: str) -> None:
    v = vector(dtype=dtype)
    got = v / 3
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.dense(), widen(narrow(v.dense() / np.float32(3), dtype), dtype))
    assert got.concept.text == "glasses / 3"
    assert ((v + v) / 2).concept.text == "(glasses + glasses) / 2"


@pytest.mark.parametrize("divisor", [0, 0.0, float("nan"), float("inf"), 1e-60])
def test_a_vector_is_divided_by_numbers_only(divisor: float) -> None:
    with pytest.raises(InvalidInputError, match="divisor"):
        vector() / divisor


def test_the_absolute_value_keeps_places_and_drops_signs() -> None:
    v = vector()
    assert (v.values < 0).any()
    np.testing.assert_array_equal(abs(v).dense(), np.abs(v.dense()))
    assert abs(-v) == abs(v)
    assert abs(v).concept.text == "abs(glasses)"


def test_sum_adds_from_the_first_on() -> None:
    u, v, w = (vector(seed=seed) for seed in range(3))
    assert sum([u, v, w]) == u + v + w
    assert sum([v]) is v
    with pytest.raises(TypeError):
        1 + v


@pytest.mark.parametrize("scale", [float("nan"), float("inf")])
def test_a_multiplier_is_finite(scale: float) -> None:
    with pytest.raises(InvalidInputError, match="finite"):
        vector() * scale


def test_overflow_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="too large for float16"):
        1e6 * vector(dtype="float16")


@pytest.mark.parametrize("other", ["x", None, np.ones(2)])
def test_other_operands_are_refused(other: Any) -> None:
    computations: list[Callable[[], Any]] = [
        lambda: vector() + other,
        lambda: vector() * other,
        lambda: other - vector(),
    ]
    for compute in computations:
        with pytest.raises(TypeError):
            compute()


def test_a_vector_that_is_moved_to_another_noise_is_the_same_but_for_that() -> None:
    v = vector().with_preview(PREVIEW)
    other = moved(v, noise(5).facts)
    assert other == v
    assert other.recipe != v.recipe
    assert other.provenance.noise == noise(5).facts
    assert other.provenance.derived_from == (v.content,)
    assert other.preview is None
    assert other + vector(facts=provenance(noise(5))) == v + vector()
