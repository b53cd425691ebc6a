"""Distilling is algebra: each method against its formula, and what all of them share."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sega_store import GuidanceVector, IncompatibleError, InvalidInputError, read_vector, write_vector
from sega_store.records.distil import MAX_PARENTS, METHODS, difference, mean, principal, sign_vote, stable
from sega_store.records.dtypes import HELD_AS
from sega_store.records.provenance import DISTILLED
from tests.store.samples import PREVIEW, noise, provenance, vector, vectors

Method = Callable[[Sequence[GuidanceVector]], GuidanceVector]
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


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
    assert method([parents[i] for i in order]).id == method(parents).id


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
    unscaled(sign_vote(parents), np.array([4.0, 0.0, 3.0, -4.0, 0.0, -3.0]).reshape(1, 1, 6))
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
    assert principal(parents).nnz == 0


def test_what_it_says_of_itself() -> None:
    parents = [v.with_preview(PREVIEW) for v in family(3, dtype="float16")]
    first = min(parents, key=lambda v: v.content)
    found = sign_vote(parents, share=0.75)
    facts = found.provenance
    assert facts.noise.independent
    assert (facts.noise.seed, facts.noise.device, facts.noise.dtype) == (None, "cpu", "float32")
    assert facts.derived_from == tuple(sorted(v.content for v in parents))
    assert facts.run.arguments == {DISTILLED: {"method": "sign_vote", "share": 0.75}}
    assert (facts.model, facts.run.prompt) == (first.provenance.model, first.provenance.run.prompt)
    assert (found.dtype, found.preview) == ("float16", None)
    methods: list[Method] = [*METHODS.values(), partial(stable, share=1.0)]
    assert len({method(parents).recipe for method in methods}) == 5
    assert read_vector(write_vector(found)) == found


def test_many_parents_leave_a_small_header() -> None:
    parents = [vector(seed=seed, shape=(1, 1, 2, 2)) for seed in range(64)]
    assert len(write_vector(mean(parents))) < 10_000


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("concept", vector("smile")),
        ("concept", vector(edit_guidance_scale=7.0)),
        ("shape", vector(shape=(3, 2, 4, 5))),
        ("timesteps", replace(vector(), timesteps=np.array([3.0, 2.0, 1.0]))),
        ("sigmas", replace(vector(), sigmas=np.array([3.0, 2.0, 1.0]))),
        ("model", vector(facts=replace(provenance(), model=replace(provenance().model, fingerprint="e" * 64)))),
        (
            "prediction_type",
            vector(facts=replace(provenance(), scheduler=replace(provenance().scheduler, prediction_type="sample"))),
        ),
    ],
)
def test_what_does_not_belong_together_is_refused(name: str, other: GuidanceVector) -> None:
    assert difference(vector(), other) == name
    with pytest.raises(IncompatibleError, match=f"share their {name}"):
        mean([vector(), other])


def test_other_prompts_and_noises_belong_together() -> None:
    assert difference(vector(), vector(facts=provenance(noise(3), prompt="a queen"))) is None


@pytest.mark.parametrize(
    ("method", "vectors", "message"),
    [
        (mean, [], "met 0"),
        (mean, [vector()] * (MAX_PARENTS + 1), "met 1025"),
        (partial(sign_vote, share=0), [vector()], "share must be in"),
        (partial(stable, share=1.1), [vector()], "share must be in"),
        (partial(principal, components=0), [vector()], "at least 1, met 0"),
    ],
)
def test_bad_input_is_refused(method: Method, vectors: list[GuidanceVector], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        method(vectors)
