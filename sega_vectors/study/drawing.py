"""The study's plots, drawn with matplotlib: one look for all of them."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL.Image import Image

from sega_store.records.dtypes import Array
from sega_vectors.study.findings import Figure
from sega_vectors.study.rows import Rate, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

Framed = tuple[Image, bool]
"""A picture, and whether it is framed."""

COLOURS = ("#2a6fbb", "#1f8a5b", "#d2622a", "#8a4fb0", "#8c8c8c", "#b0892b", "#c23b5f", "#3aa6a6", "#5b5bd6", "#6b4a2f")
KINDS = {
    "plain": "#9a9aa2",
    "SEGA": "#2a6fbb",
    "same noise": "#1f8a5b",
    "other noise": "#d2622a",
    "shuffled": "#8a4fb0",
}
_STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e7e7ea",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "legend.frameon": False,
    "text.parse_math": False,  # a `$` in a prompt is a dollar sign
    "svg.hashsalt": "sega-vectors",  # the same figures give the same file
}


def panels(columns: int, width: float = 3.6, height: float = 2.8, rows: int = 1) -> tuple["Drawing", Array]:
    """An empty drawing with a grid of axes, shape (rows, columns); sizes in inches a panel."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams.update(_STYLE)  # type: ignore[arg-type]
    drawing = Figure(figsize=(columns * width, rows * height), layout="constrained")
    return drawing, drawing.subplots(rows, columns, squeeze=False)


def bars(axes: Any, groups: Sequence[str], series: Mapping[str, Sequence[Rate]]) -> None:
    """Rates with their intervals, side by side in groups."""
    width = 0.84 / len(series)
    for index, (label, rates) in enumerate(series.items()):
        place = np.arange(len(groups)) + (index - (len(series) - 1) / 2) * width
        values = np.array([rate.value for rate in rates])
        low, high = np.array([rate.interval for rate in rates]).T
        whiskers = [np.maximum(values - low, 0), np.maximum(high - values, 0)]
        axes.bar(place, values, width * 0.92, color=KINDS.get(label, COLOURS[index]), label=label)
        axes.errorbar(place, values, whiskers, fmt="none", ecolor="#333", elinewidth=0.8, capsize=1.5)
    axes.set_xticks(np.arange(len(groups)), [fill(group, 12) for group in groups])
    axes.set_ylim(0, 1.02)
    axes.grid(axis="x", visible=False)


def rates_over(axes: Any, x: Sequence[float], series: Mapping[str, Sequence[Rate]]) -> None:
    """Rates over a parameter, with bands of their intervals."""
    for index, (label, rates) in enumerate(series.items()):
        low, high = np.array([rate.interval for rate in rates]).T
        axes.plot(x, [rate.value for rate in rates], marker="o", markersize=3, color=COLOURS[index], label=label)
        axes.fill_between(x, low, high, color=COLOURS[index], alpha=0.12, linewidth=0)
    axes.set_ylim(-0.02, 1.02)


def spread_over(axes: Any, x: Sequence[float] | Array, series: Mapping[str, Array]) -> None:
    """Medians over a parameter with the middle half of the values as a band; each array has the shape (n, len(x))."""
    for index, (label, values) in enumerate(series.items()):
        low, middle, high = np.nanpercentile(values, (25, 50, 75), axis=0)
        axes.plot(x, middle, marker="o", markersize=2.5, color=COLOURS[index], label=label)
        axes.fill_between(x, low, high, color=COLOURS[index], alpha=0.14, linewidth=0)


def matrix(axes: Any, values: Array, rows: Sequence[str], columns: Sequence[str], colours: str, limit: float) -> None:
    """A matrix of numbers from -limit to limit (0 to limit for a sequential map), each written in its cell."""
    low = -limit if colours == "RdBu_r" else 0.0
    axes.imshow(values, cmap=colours, vmin=low, vmax=limit, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        if not np.isnan(value):
            dark = abs(value) > 0.6 * limit
            axes.text(j, i, number(value), ha="center", va="center", fontsize=7, color="white" if dark else "#222")
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def pictures(name: str, caption: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Framed]]]) -> Figure:
    """A grid of pictures, each row with its label; those with a True are framed in green."""
    labels = 0.055 * max(len(label) for label, _ in rows)  # inches; at most half of the width
    drawing, axes = panels(len(columns), max(1.05, 2 * labels / len(columns)), 1.12, rows=len(rows))
    for i, (label, line) in enumerate(rows):
        axes[i, 0].set_ylabel(label, fontsize=7.5, rotation=0, ha="right", va="center", labelpad=6)
        for cell, (image, framed) in zip(axes[i], line, strict=True):
            cell.imshow(np.asarray(image.convert("RGB")))
            cell.set(xticks=[], yticks=[])
            cell.grid(visible=False)
            cell.spines[:].set(visible=True, color="#1f9d57" if framed else "#d5d5da")
            cell.spines[:].set_linewidth(2.4 if framed else 0.6)
    for cell, column in zip(axes[0], columns, strict=True):
        cell.set_title(fill(column, 22), fontsize=6, fontweight="normal")
    return Figure(name, caption, drawing, pixels=True)
