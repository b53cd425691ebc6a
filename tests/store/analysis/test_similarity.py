"""Cosine and overlap have closed forms where one vector is made from another."""

import numpy as np
import pytest

from sega_store import IncompatibleError
from sega_store.analysis.similarity import cosine, overlap
from tests.store import samples


def test_a_vector_is_like_itself_and_unlike_its_opposite() -> None:
    vector = samples.vector()
    assert cosine(vector, vector) == pytest.approx(np.ones(3))
    assert cosine(vector, -vector) == pytest.approx(-np.ones(3))
    assert cosine(vector, 3 * vector) == pytest.approx(np.ones(3))
    assert overlap(vector, -vector) == pytest.approx(np.ones(3))


def test_they_are_what_sets_and_angles_say() -> None:
    one, other = samples.vector(seed=1), samples.vector(seed=2)
    for step, (found, shared) in enumerate(zip(cosine(one, other), overlap(one, other), strict=True)):
        a, b = one.dense()[step].ravel().astype(float), other.dense()[step].ravel().astype(float)
        places = set(np.flatnonzero(a)), set(np.flatnonzero(b))
        assert found == pytest.approx(a @ b / np.sqrt(a @ a * (b @ b)))
        assert shared == len(places[0] & places[1]) / len(places[0] | places[1])


def test_a_step_without_entries_has_no_answer() -> None:
    vector, empty = samples.vector(), 0 * samples.vector()
    assert np.isnan(cosine(vector, empty)).all()
    assert overlap(vector, empty) == pytest.approx(np.zeros(3))
    assert np.isnan(overlap(empty, empty)).all()


def test_other_shapes_are_refused() -> None:
    with pytest.raises(IncompatibleError, match="shapes must agree"):
        cosine(samples.vector(), samples.vector(shape=(3, 2, 4, 5)))
