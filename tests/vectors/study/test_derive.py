"""Controls and other precisions: what of a vector they keep, and what not. What is made of several: its formulas."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sega_store import Concept, GuidanceVector
from sega_store.records.dtypes import HELD_AS
from sega_vectors.study.derive import WAYS, mean, principal, shuffled, sign_vote, stable, stored_as
from tests.cli.samples import make_vector
from tests.store.samples import noise, provenance, vector, vectors

Method = Callable[[Sequence[GuidanceVector]], GuidanceVector]
METHODS: dict[str, Method] = {
    "mean": mean,
    "stable": partial(stable, share=0.5),
    "sign_vote": partial(sign_vote, share=0.5),
    "principal": partial(principal, components=1),
}
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def sparse(seed: int) -> GuidanceVector:
    """A vector whose steps and channels hold different numbers of entries, half of them at places that all share."""
    vector = make_vector(seed=seed)
    dense = vector.dense()
    rng = np.random.default_rng(seed)
    kept = rng.random(dense.shape) < np.linspace(0.1, 0.6, len(dense))[:, None, None, None]
    kept[:, :, 2:4, 5:] = True
    values = np.where(kept, rng.standard_normal(dense.shape), 0).astype(np.float32)
    everything = Concept("glasses", edit_threshold=0.0)  # whatever is computed with a vector takes all of its entries
    return GuidanceVector.from_dense(everything, values, vector.timesteps, vector.sigmas, vector.provenance)


VECTOR = sparse(3)


def test_the_placebo_keeps_each_step_and_channel_and_moves_places() -> None:
    before, after = VECTOR.dense(), shuffled(VECTOR, 7).dense()
    flat = (*before.shape[:2], -1)
    assert np.array_equal(np.sort(before.reshape(flat)), np.sort(after.reshape(flat)))
    assert np.array_equal(np.count_nonzero(before, (2, 3)), np.count_nonzero(after, (2, 3)))
    assert np.allclose(shuffled(VECTOR, 7).energy(), VECTOR.energy())
    assert np.mean(before == after) < 0.75


def test_the_placebo_keeps_what_steps_and_channels_share() -> None:
    rows, moved = (v.dense().reshape(-1, 64) for v in (VECTOR, shuffled(VECTOR, 7)))
    assert np.allclose(rows @ rows.T, moved @ moved.T, atol=1e-4)
    columns = {tuple(column) for column in rows.T}
    assert {tuple(column) for column in moved.T} == columns, "a place is moved as a whole"


def test_the_placebo_follows_from_its_seed() -> None:
    assert shuffled(VECTOR, 7).content == shuffled(VECTOR, 7).content == WAYS["shuffled"]([VECTOR], 7.0).content
    assert shuffled(VECTOR, 8).content != shuffled(VECTOR, 7).content


@pytest.mark.parametrize(("dtype", "digits"), [("float16", 11), ("bfloat16", 8)])
def test_stored_values_are_rounded_and_nothing_else(dtype: str, digits: int) -> None:
    rounded = stored_as(dtype, VECTOR)
    assert rounded.dtype == dtype
    assert np.array_equal(rounded.support, VECTOR.support)
    error = np.abs(rounded.dense().astype(np.float32) - VECTOR.dense()).max()
    assert 0 < error <= np.abs(VECTOR.dense()).max() * 2.0**-digits
    assert WAYS[dtype]([VECTOR], 0.0).content == rounded.content


def test_derived_vectors_keep_the_noise_and_name_what_they_are_made_from() -> None:
    for made in (shuffled(VECTOR, 1), stored_as("float16", VECTOR)):
        assert made.provenance.noise == VECTOR.provenance.noise
        assert made.provenance.derived_from == (VECTOR.content,)
        assert made.concept == VECTOR.concept


def test_a_difference_is_of_the_first_and_the_second() -> None:
    other = GuidanceVector.from_dense(
        VECTOR.concept, np.flip(VECTOR.dense(), -1).copy(), VECTOR.timesteps, VECTOR.sigmas, VECTOR.provenance
    )
    assert np.allclose(WAYS["difference"]([VECTOR, other], 0.0).dense(), VECTOR.dense() - other.dense())
    assert WAYS["difference"]([VECTOR, VECTOR], 0.0).nnz == 0


@pytest.mark.parametrize(("way", "amount"), [("mean", 0.0), ("sign_vote", 0.5), ("stable", 0.5), ("principal", 2.0)])
def test_what_is_made_of_several_names_them_and_has_the_facts_of_the_first(way: str, amount: float) -> None:
    parents = [VECTOR, sparse(4), sparse(5)]
    made = WAYS[way](parents, amount)
    assert made.provenance.noise == VECTOR.provenance.noise
    assert made.provenance.run == VECTOR.provenance.run
    assert made.provenance.derived_from == tuple(parent.content for parent in parents)


def family(count: int, seed: int = 0, **options: Any) -> list[GuidanceVector]:
    """Vectors of one concept at so many noises, alike in a third of their entries."""
    common = vector(seed=1000 + seed, kept=0.3, **options).dense()
    made = []
    for number in range(count):
        own = vector(seed=seed + number, facts=provenance(noise(number)), **options)
        made.append(GuidanceVector.from_dense(
            own.concept, (own.dense() + 2 * common).astype(HELD_AS[own.dtype]), own.timesteps, own.sigmas,
            own.provenance,
        ))  # fmt: skip
    return made


def unscaled(result: GuidanceVector, dense: Any) -> None:
    """A result is the given m_t, but for each step's scale."""
    for found, expected in zip(result.dense(), dense, strict=True):
        norm = float(np.linalg.norm(expected))
        np.testing.assert_allclose(found * (norm / np.linalg.norm(found)), expected, rtol=1e-5, atol=1e-5 * norm)


@every_method
@settings(max_examples=30, deadline=None)
@given(v=vectors())
def test_of_one_vector_it_is_that_vector(method: Method, v: GuidanceVector) -> None:
    found = method([v])
    assert found.dtype == v.dtype
    np.testing.assert_array_equal(found.support, v.support)
    np.testing.assert_allclose(found.dense(), v.dense(), rtol={"float32": 1e-6, "float16": 1e-3}.get(v.dtype, 1e-2))
    assert (found.concept, found.provenance.derived_from) == (v.concept, (v.content,))


@every_method
@settings(max_examples=30, deadline=None)
@given(order=st.permutations(range(5)))
def test_the_order_does_not_matter(method: Method, order: list[int]) -> None:
    parents = family(5)
    expected = method(parents).dense()
    found = method([parents[i] for i in order]).dense()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@every_method
@settings(max_examples=30, deadline=None)
@given(factor=st.floats(0.01, 100) | st.floats(-100, -0.01), seed=st.integers(0, 99))
def test_scaled_vectors_give_the_scaled_result(method: Method, factor: float, seed: int) -> None:
    parents = family(4, seed=10 * seed)
    found = method([factor * v for v in parents]).dense()
    expected = factor * method(parents).dense()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@every_method
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99), keep=st.sampled_from([0.0, 0.5, 0.8]))
def test_it_keeps_as_many_entries_as_a_recording_with_the_energy_of_one(method: Method, seed: int, keep: float) -> None:
    parents = [v.thresholded(keep) for v in family(6, seed=10 * seed, shape=(3, 2, 8, 8), keep_threshold=0.0)]
    found = method(parents)
    energy = np.mean([v.energy() for v in parents], axis=0)
    kept = found.counts() > 0
    assert kept.any()
    np.testing.assert_allclose(found.energy()[kept], energy[kept], rtol=1e-5)
    most = np.ceil((1 - keep) * 64 + 1e-9)
    assert found.support.sum(axis=(2, 3)).max() <= most
    assert found.concept == parents[0].concept


def test_the_mean_is_cut_to_the_strongest_entries() -> None:
    parents = family(8, shape=(3, 2, 8, 8), edit_threshold=0.9, keep_threshold=0.75)
    average = np.mean([v.dense() for v in parents], axis=0)
    strongest = np.abs(average) >= np.quantile(np.abs(average), 0.75, axis=(2, 3), keepdims=True)
    unscaled(mean(parents), np.where(strongest, average, 0))


@pytest.mark.parametrize("share", [0.3, 0.5, 1.0])
def test_stable_is_the_mean_where_enough_vectors_keep_the_entry(share: float) -> None:
    parents = family(10)
    enough = np.sum([v.support for v in parents], axis=0) >= share * 10
    assert 0 < enough.sum() < enough.size
    unscaled(stable(parents, share), np.where(enough, np.mean([v.dense() for v in parents], axis=0), 0))


def test_a_sign_vote_is_the_mean_of_those_that_agree() -> None:
    rows = np.array([  # vectors x entries
        [1.0, 1.0, 2.0, -2.0, 0.0, -1.0],
        [3.0, -1.0, 4.0, -4.0, 0.0, 0.0],
        [5.0, 2.0, 0.0, 8.0, 7.0, -5.0],
        [7.0, -2.0, 0.0, -6.0, 0.0, 0.0],
    ], np.float32)  # fmt: skip
    v = vector()
    parents = [
        GuidanceVector.from_dense(v.concept, row.reshape(1, 1, 6), np.ones(1), np.ones(1), v.provenance) for row in rows
    ]
    unscaled(sign_vote(parents, 0.5), np.array([4.0, 0.0, 3.0, -4.0, 0.0, -3.0]).reshape(1, 1, 6))
    unscaled(sign_vote(parents, 0.75), np.array([4.0, 0.0, 0.0, -4.0, 0.0, 0.0]).reshape(1, 1, 6))


@pytest.mark.parametrize("components", [1, 2, 3])
def test_principal_is_the_mean_projected_onto_singular_vectors(components: int) -> None:
    parents = family(6)
    matrix = np.stack([v.dense().ravel() for v in parents])
    axes = np.linalg.svd(matrix, full_matrices=False)[2][:components]
    unscaled(principal(parents, components), (matrix.mean(axis=0) @ axes.T @ axes).reshape(parents[0].shape))


def test_all_components_are_the_mean() -> None:
    parents = family(4)
    np.testing.assert_allclose(principal(parents, 4).dense(), mean(parents).dense(), atol=1e-5)


def test_vectors_that_agree_nowhere_give_an_empty_one() -> None:
    v = vector()
    opposite = replace(-v, concept=v.concept)
    for method in METHODS.values():
        assert method([v, opposite]).nnz == 0


def test_rounding_is_not_scaled_up_to_a_vector() -> None:
    """The mean lies across the first component: nothing of it is left but rounding."""
    v = vector()
    left, right = v.dense(), v.dense()
    left[..., 2:], right[..., :2] = 0, 0
    rows = [factor * left for factor in (3, -1, -2, 0.7, 1.9, -2.6)] + [0.1 * right]
    parents = [GuidanceVector.from_dense(v.concept, row, v.timesteps, v.sigmas, v.provenance) for row in rows]
    assert mean(parents).nnz > 0
    assert principal(parents, 1).nnz == 0
