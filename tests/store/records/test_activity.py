"""Where and when a vector acts."""

import numpy as np
import pytest

from sega_store.records.activity import activity, strength
from tests.store.samples import noise, provenance, vector


@pytest.mark.parametrize(
    ("shape", "drawn"),
    [((3, 2, 4, 5), (3, 2, 4, 5)), ((3, 2, 7), (3, 2, 1, 7)), ((3, 2, 6, 4, 5), (3, 2, 4, 5))],
)
def test_it_is_the_strength_at_each_place(shape: tuple[int, ...], drawn: tuple[int, ...]) -> None:
    v = vector(shape=shape, facts=provenance(noise(shape=shape[1:])))
    found = activity(v)
    assert found.shape == drawn
    assert np.allclose(strength(found, 1, 2, 3), v.energy())
    assert np.isclose(strength(found, 0, 1, 2, 3), np.linalg.norm(v.dense()))


def test_nothing_acts_where_nothing_is_kept() -> None:
    v = vector(kept=0.2)
    assert np.array_equal(activity(v) > 0, v.support)
