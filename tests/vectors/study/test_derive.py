"""Controls and other precisions: what of a vector they keep, and what not."""

import numpy as np
import pytest

from sega_store import Concept, GuidanceVector
from sega_vectors.study.derive import WAYS, shuffled, stored_as
from tests.cli.samples import make_vector


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
def test_distilled_vectors_belong_to_no_single_noise(way: str, amount: float) -> None:
    parents = [VECTOR, sparse(4), sparse(5)]
    made = WAYS[way](parents, amount)
    assert made.provenance.noise.sha256 == "0" * 64
    assert set(made.provenance.derived_from) == {parent.content for parent in parents}
