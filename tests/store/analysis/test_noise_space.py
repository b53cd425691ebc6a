"""The nearest noise, and the way between two, have closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sega_store import IncompatibleError, InitialNoise, InvalidInputError
from sega_store.analysis.noise_space import nearest, slerp
from tests.store.samples import noise

SHAPE = (4, 16, 16)


def norm(one: InitialNoise) -> float:
    return float(np.linalg.norm(one.array.astype(float)))


def test_the_nearest_is_the_one_with_the_greatest_cosine() -> None:
    one = noise(0, SHAPE)
    others = [noise(seed, SHAPE) for seed in range(1, 9)]
    mixed = slerp(noise(9, SHAPE), one, 0.5)
    assert nearest(one, [*others, mixed]) == 8
    assert nearest(one, [one, *others]) == 0
    cosines = [np.corrcoef(one.array.ravel(), other.array.ravel())[0, 1] for other in others]
    louder = [InitialNoise(np.float32(3 + i) * other.array) for i, other in enumerate(others)]
    assert nearest(one, others) == nearest(one, louder) == int(np.argmax(cosines))


def test_a_low_pass_sees_only_the_means_of_blocks() -> None:
    one, other = noise(0, SHAPE), noise(1, SHAPE)
    blocks = other.array.reshape(4, 4, 4, 4, 4)
    flattened = other.array - blocks.mean(axis=(2, 4)).repeat(4, 1).repeat(4, 2)
    coarse = one.array.reshape(4, 4, 4, 4, 4).mean(axis=(2, 4)).repeat(4, 1).repeat(4, 2)
    same_blocks = InitialNoise(flattened + coarse)  # another noise in all but the means of its blocks of 4 x 4
    half = InitialNoise((one.array + noise(2, SHAPE).array).astype(np.float32))
    assert nearest(one, [same_blocks, half]) == 1
    assert nearest(one, [same_blocks, half], block=4) == 0


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_way_begins_and_ends_at_the_two(dtype: str) -> None:
    a, b = noise(1, SHAPE, dtype), noise(2, SHAPE, dtype)
    assert slerp(a, b, 0) == a
    assert slerp(a, b, 1) == b
    assert (slerp(a, b, 0.5).dtype, slerp(a, b, 0).seed) == (dtype, None)


@given(share=st.floats(0, 1), seeds=st.tuples(st.integers(0, 99), st.integers(100, 199)))
def test_between_equal_norms_the_norm_stays_and_the_angle_grows_evenly(share: float, seeds: tuple[int, int]) -> None:
    a, b = (noise(seed, SHAPE) for seed in seeds)
    b = InitialNoise((b.array * (norm(a) / norm(b))).astype(np.float32))
    between = slerp(a, b, share)
    assert norm(between) == pytest.approx(norm(a), rel=1e-5)

    def angle(one: InitialNoise, other: InitialNoise) -> float:
        cosine = np.vdot(one.array.astype(float), other.array.astype(float)) / norm(one) / norm(other)
        return float(np.arccos(np.clip(cosine, -1, 1)))

    assert angle(a, between) == pytest.approx(share * angle(a, b), abs=1e-3)
    assert slerp(b, a, 1 - share).array == pytest.approx(between.array, abs=1e-5)


def test_between_independent_noises_the_variance_stays() -> None:
    halves = [slerp(noise(seed, SHAPE), noise(seed + 1000, SHAPE), 0.5).array for seed in range(100)]
    assert np.var(halves) == pytest.approx(1, abs=0.02), "the linear mixture has a half"


def test_nearly_one_noise_is_no_division_by_zero() -> None:
    a = noise(1, SHAPE)
    assert slerp(a, a, 0.3).array == pytest.approx(a.array)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_from_0_to_1(share: float) -> None:
    with pytest.raises(InvalidInputError, match=r"\[0, 1\]"):
        slerp(noise(1), noise(2), share)


def test_what_cannot_be_compared_is_refused() -> None:
    a = noise(1)
    with pytest.raises(InvalidInputError, match="opposite"):
        slerp(a, InitialNoise(-a.array), 0.5)
    with pytest.raises(InvalidInputError, match="zeros"):
        slerp(a, InitialNoise(0 * a.array), 0.5)
    for compare in (lambda: slerp(a, noise(1, SHAPE), 0.5), lambda: nearest(a, [noise(1, SHAPE)])):
        with pytest.raises(IncompatibleError, match="shapes must agree"):
            compare()
    with pytest.raises(InvalidInputError, match="met none"):
        nearest(a, [])
    for block in (0, 3):
        with pytest.raises(InvalidInputError, match=f"met {block}"):
            nearest(a, [a], block)
