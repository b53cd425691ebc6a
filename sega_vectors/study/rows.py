"""Tidy rows of a study: one a measurement, by column; chosen by their values, and summarized."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from sega_vectors.judging.judges import SHOWN

Row = Mapping[str, Any]


def where(rows: Iterable[Row], **values: Any) -> list[Row]:
    """The rows that have these values, by column; a row without a column has None there."""
    return [row for row in rows if all(row.get(column) == value for column, value in values.items())]


def shown(rows: Iterable[Row]) -> list[bool]:
    """Whether the picture of each row shows the concept."""
    return [row["probability"] > SHOWN for row in rows]


def shown_in_place(rows: Iterable[Row]) -> list[bool]:
    """Whether the picture of each row shows the concept, and changed where it belongs."""
    return [row["probability"] > SHOWN and row["in place"] for row in rows]


def median(rows: Iterable[Row], column: str) -> float:
    """The median of a column."""
    return float(np.median([row[column] for row in rows]))
