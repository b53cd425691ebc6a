"""Numbers as lines and bars of an SVG, in a box of 100 by 100 that a page stretches; its words are HTML beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite

import numpy as np
from numpy.typing import NDArray

_BINS = 41


@dataclass(frozen=True)
class Line:
    """One line of a plot.

    Attributes:
        path: The `d` of an SVG path; it has gaps where there is no number.
        values: The numbers; None where there is none.
    """

    label: str
    path: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Plot:
    """Lines over the steps of a run, on one scale.

    Attributes:
        low, high: The values at the bottom and the top.
        steps: T.
        zero: How far down 0 is, 0 to 100.
    """

    title: str
    lines: tuple[Line, ...]
    low: float
    high: float
    steps: int
    zero: float

    @property
    def summary(self) -> str:
        """The plot in words, for people who can't see it."""
        return f"{self.title}. " + " ".join(_in_words(line, named=len(self.lines) > 1) for line in self.lines)


def plot(
    title: str, lines: Sequence[tuple[str, Sequence[float]]], low: float | None = None, high: float | None = None
) -> Plot:
    """A plot of one value a step, for each line.

    Args:
        title: What is shown.
        lines: Labels with their values, all of one length; NaN where there is none.
        low: The value at the bottom; None: the least value, but 0 at most.
        high: The value at the top; None: the largest value.
    """
    known = [float(value) for _, values in lines for value in values if isfinite(value)]
    bottom = min([0.0, *known]) if low is None else low
    top = max([bottom, *known]) if high is None else high
    top = top if top > bottom else bottom + 1
    steps = max(len(values) for _, values in lines)

    def height(value: float) -> float:
        return 100 - 100 * (value - bottom) / (top - bottom)

    def path(values: Sequence[float]) -> str:
        parts = []
        for drawn, run in groupby(enumerate(values), lambda pair: isfinite(pair[1])):
            points = [f"{place(i, steps):.2f} {height(value):.2f}" for i, value in run] if drawn else []
            if len(points) == 1:  # a line of no length, which its round ends turn into a dot
                points *= 2
            parts += [f"M{' L'.join(points)}"] if points else []
        return "".join(parts)

    made = tuple(
        Line(label, path(values), tuple(float(v) if isfinite(v) else None for v in values)) for label, values in lines
    )
    return Plot(title, made, bottom, top, steps, height(max(bottom, 0.0)))


def place(step: float, steps: int) -> float:
    """How far right a step is, 0 to 100: the middle of its share of the width."""
    return 100 * (step + 0.5) / steps


@dataclass(frozen=True)
class Histogram:
    """How often values occur.

    Attributes:
        bars: The height of each, 0 to 100; the values run from -edge to edge.
        edge: The largest magnitude.
        most: The number of values in the highest bar.
    """

    bars: tuple[float, ...]
    edge: float
    most: int


def histogram(values: NDArray[np.float32]) -> Histogram:
    """The distribution of values, with 0 in the middle."""
    edge = float(np.abs(values).max(initial=0)) or 1.0
    counts, _ = np.histogram(values / edge, bins=_BINS, range=(-1, 1))  # else the width overflows near the largest
    most = int(counts.max())
    return Histogram(tuple((counts / max(most, 1) * 100).round(2).tolist()), edge, most)


def _in_words(line: Line, *, named: bool) -> str:
    known = [(value, step) for step, value in enumerate(line.values) if value is not None]
    name = f"{line.label}: " if named else ""
    if not known:
        return f"{name}no values."
    (least, when_least), (most, when_most) = min(known), max(known)
    return f"{name}least {least:.3g} at step {when_least}, most {most:.3g} at step {when_most}."
