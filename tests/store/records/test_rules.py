"""Rules, where a value is too large to be printed."""

import pytest

from sega_store import InvalidInputError
from sega_store.records import rules


@pytest.mark.parametrize("value", [-1, -(10**5000), 1.5, True, "1"], ids=lambda value: type(value).__name__)
def test_what_is_no_whole_number_of_at_least_0_is_refused(value: int) -> None:
    with pytest.raises(InvalidInputError, match="n must be a whole number of at least 0, met "):
        rules.integer("n", value)


@pytest.mark.parametrize("value", [1 << 63, 10**5000], ids=lambda value: type(value).__name__)
def test_too_large_a_number_is_refused(value: int) -> None:
    with pytest.raises(InvalidInputError, match="n must be a whole number of at most 9223372036854775807, met"):
        rules.integer("n", value)


@pytest.mark.parametrize(
    "value", [10**400, 10**5000, -(10**5000), float("nan"), float("inf"), "1"], ids=lambda value: type(value).__name__
)
def test_what_is_no_finite_number_is_refused(value: float) -> None:
    with pytest.raises(InvalidInputError, match="x must be a finite number, met "):
        rules.finite("x", value)
