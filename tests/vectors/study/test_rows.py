"""Rates, comparisons and how numbers are written, against scipy."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from sega_vectors.study.rows import Rate, number, paired
from sega_vectors.study.transfer import file_names


@pytest.mark.parametrize(("successes", "trials"), [(0, 20), (20, 20), (7, 20), (100, 128), (1, 1)])
def test_a_rate_has_wilsons_interval(successes: int, trials: int) -> None:
    rate = Rate(successes, trials)
    expected = binomtest(successes, trials).proportion_ci(0.95, "wilson")
    assert np.allclose(rate.interval, (expected.low, expected.high), atol=1e-4)
    assert rate.value == successes / trials


def test_a_rate_counts_outcomes_and_says_so() -> None:
    assert Rate.of(outcome > 2 for outcome in (1, 2, 3, 4)) == Rate(2, 4)
    assert str(Rate(14, 19)) == ".74 [.51, .88]"
    assert str(Rate(20, 20)) == "1.00 [.84, 1.00]"
    assert str(Rate(0, 20)) == ".00 [.00, .16]"


def test_a_rate_of_no_trials_is_said_to_be_none() -> None:
    assert str(Rate.of([])) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.743, ".74"), (-0.05, "-.05"), (1.0, "1.00"), (0.0, ".00"), (10.5, "10.50"), (-1.25, "-1.25"), (20.04, "20.04")],
)
def test_numbers_lose_a_leading_zero_only(value: float, text: str) -> None:
    assert number(value) == text


def test_what_rounds_to_zero_has_no_sign() -> None:
    assert number(-0.001) == ".00"
    assert number(-0.0004, 3) == ".000"
    assert number(float("nan")) == "nan"


def test_a_paired_comparison_is_mcnemars_exact_test() -> None:
    first = [True] * 9 + [False] * 2 + [True] * 5 + [False] * 4
    second = [False] * 9 + [True] * 2 + [True] * 5 + [False] * 4
    one, other, p = paired(first, second)
    assert (one, other) == (9, 2)
    tail = sum(math.comb(11, k) for k in range(3)) / 2**11
    assert p == pytest.approx(2 * tail)
    assert paired(second, first) == (2, 9, p)
    assert paired([True, False], [True, False]) == (0, 0, 1.0)


def test_outcomes_of_different_pairs_are_not_compared() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired([True, False], [True])


def test_file_names_are_words_and_each_their_own() -> None:
    assert file_names(["glasses", "red hair", "red-hair", "../up", "안경", "<!>", "?", "red hair-2"]) == [
        "glasses",
        "red-hair",
        "red-hair-2",
        "up",
        "안경",
        "untitled",
        "untitled-2",
        "red-hair-2-2",
    ]
    assert len(file_names(["x" * 300])[0]) == 40
