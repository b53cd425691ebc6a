"""Tidy rows of a study, one a measurement: chosen by their values, counted and compared."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sega_vectors.judging.judges import SHOWN
from sega_vectors.judging.rates import wilson

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Rate:
    """A share of trials, printed with its 95% Wilson interval as `.74 [.66, .81]`, or as `–` if there were none."""

    successes: int
    trials: int

    @classmethod
    def of(cls, outcomes: Iterable[bool]) -> "Rate":
        """The rate of single outcomes."""
        listed = list(outcomes)
        return cls(sum(listed), len(listed))

    @property
    def value(self) -> float:
        """The share, 0 to 1."""
        return self.successes / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's score interval (1927) of 95%."""
        return wilson(self.successes, self.trials)

    def __str__(self) -> str:
        if not self.trials:
            return "–"
        low, high = self.interval
        return f"{number(self.value)} [{number(low)}, {number(high)}]"


def where(rows: Iterable[Row], **values: Any) -> list[Row]:
    """The rows that have these values, by column; a row without a column has None there."""
    return [row for row in rows if all(row.get(column) == value for column, value in values.items())]


def shown(rows: Iterable[Row], **values: Any) -> list[bool]:
    """Whether the picture of each row that has these values shows the concept."""
    return [row["probability"] > SHOWN for row in where(rows, **values)]


def rate(rows: Iterable[Row], **values: Any) -> Rate:
    """How many pictures of the rows that have these values show the concept."""
    return Rate.of(shown(rows, **values))


def rate_in_place(rows: Iterable[Row], **values: Any) -> Rate:
    """How many pictures of the rows that have these values show the concept, and changed where it belongs."""
    return Rate.of(row["probability"] > SHOWN and row["in place"] for row in where(rows, **values))


def rates_of(rows: Sequence[Row], concepts: Iterable[str]) -> list[str]:
    """Cells: how many pictures show the concept, for each concept and for all rows."""
    return [*(str(rate(rows, concept=concept)) for concept in concepts), str(rate(rows))]


def median(rows: Iterable[Row], column: str) -> float:
    """The median of a column."""
    return float(np.median([row[column] for row in rows]))


def number(value: float, digits: int = 2) -> str:
    """`.74`, `-.05`, `1.00`: as they stand in tables of rates."""
    text = f"{value:z.{digits}f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def paired(first: Sequence[bool], second: Sequence[bool]) -> tuple[int, int, float]:
    """A paired comparison of outcomes: how often only the first succeeded, only the second, and McNemar's exact p."""
    from scipy.stats import binomtest

    one = sum(a > b for a, b in zip(first, second, strict=True))
    other = sum(b > a for a, b in zip(first, second, strict=True))
    return one, other, float(binomtest(one, one + other).pvalue) if one + other else 1.0


def comparison(first: Sequence[bool], second: Sequence[bool]) -> tuple[str, str]:
    """Two cells: how often only the first and only the second succeeded, and McNemar's p."""
    one, other, p = paired(first, second)
    return f"{one} / {other}", f"{p:.1g}"
