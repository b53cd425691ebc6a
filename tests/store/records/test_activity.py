"""Where and when a vector acts."""

import numpy as np
import pytest

from sega_store.records import activity as module
from sega_store.records.activity import activity
from tests.store.samples import noise, provenance, vector


@pytest.mark.parametrize(("shape", "drawn"), [((3, 2, 4, 5), (4, 5)), ((3, 2, 7), (1, 7)), ((3, 2, 6, 4, 5), (4, 5))])
def test_it_is_the_norm_over_the_rest(shape: tuple[int, ...], drawn: tuple[int, ...]) -> None:
    v = vector(shape=shape, facts=provenance(noise(shape=shape[1:])))
    squares = (v.dense().astype(float) ** 2).reshape(3, 2, -1, *drawn).sum(axis=2)
    assert activity(v) == pytest.approx(np.sqrt(squares.sum(axis=(0, 1))))
    assert activity(v, "step") == pytest.approx(np.sqrt(squares.sum(axis=1)))
    assert activity(v, "channel") == pytest.approx(np.sqrt(squares.sum(axis=0)))
    assert activity(v).shape == drawn


def test_nothing_acts_where_nothing_is_kept() -> None:
    v = vector(kept=0.2)
    assert np.array_equal(activity(v, "step") > 0, v.support.any(axis=1))


def test_only_the_first_channels_are_drawn() -> None:
    v = vector(shape=(2, 20, 3, 4))
    found = activity(v, "channel")
    assert found == pytest.approx(np.linalg.norm(v.dense().astype(float), axis=0)[:16])


@pytest.mark.parametrize("block", [8, 64])
def test_a_vector_of_several_blocks_is_the_same(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    v = vector(shape=(3, 20, 5, 7), kept=0.4)
    whole = [activity(v), activity(v, "step"), activity(v, "channel"), v.counts(), v.energy(), v.dense()]
    monkeypatch.setattr("sega_store.records.support.BLOCK", block)
    assert sum(1 for _ in v.blocks()) > 10
    assert v.packed.places().tolist() == np.flatnonzero(np.moveaxis(v.support, 0, -1)).tolist()
    parts = [activity(v), activity(v, "step"), activity(v, "channel"), v.counts(), v.energy(), v.dense()]
    for one, other in zip(whole, parts, strict=True):
        assert one == pytest.approx(other)


def test_large_planes_are_joined_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SIDE", 4)
    v = vector(shape=(3, 2, 5, 7))
    squares = np.pad((v.dense().astype(float) ** 2).sum(axis=(0, 1)), ((0, 1), (0, 1)))
    assert activity(v) == pytest.approx(np.sqrt(squares.reshape(3, 2, 4, 2).sum(axis=(1, 3))))
    monkeypatch.setattr(module, "MOST_PLACES", 2 * 3 * 2 * 2)
    assert activity(v, "step").shape == (3, 2, 2)
    assert np.sqrt((activity(v, "step") ** 2).sum(axis=(1, 2))) == pytest.approx(v.energy())
