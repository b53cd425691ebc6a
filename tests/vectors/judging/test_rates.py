"""Wilson's interval, against scipy's."""

import numpy as np
import pytest
from scipy.stats import binomtest

from sega_vectors.judging.rates import wilson


@pytest.mark.parametrize(("successes", "trials"), [(0, 20), (20, 20), (7, 20), (100, 128)])
def test_intervals_are_wilsons(successes: int, trials: int) -> None:
    expected = binomtest(successes, trials).proportion_ci(0.95, "wilson")
    assert np.allclose(wilson(successes, trials), (expected.low, expected.high), atol=1e-4)
