"""Measuring transfer; that it runs is tested with the demo."""

import numpy as np
import pytest
from scipy.stats import binomtest

from sega_vectors import Concept
from sega_vectors.judging.rates import Setting, wilson


@pytest.mark.parametrize(("successes", "trials"), [(0, 20), (20, 20), (7, 20), (100, 128)])
def test_intervals_are_wilsons(successes: int, trials: int) -> None:
    expected = binomtest(successes, trials).proportion_ci(0.95, "wilson")
    assert np.allclose(wilson(successes, trials), (expected.low, expected.high), atol=1e-4)


def test_every_vector_meets_another_noise() -> None:
    setting = Setting(["a", "b"], [Concept("glasses")], [5, 6, 9], {})
    assert [setting.other(seed) for seed in setting.seeds] == [6, 9, 5]
    assert setting.pictures == 3 * 2 * 4
