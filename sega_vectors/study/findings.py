"""What a point of a study finds: sentences, tables, figures, and the tidy rows that they come from."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sega_vectors.judging.rates import wilson
from sega_vectors.study.rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True)
class Rate:
    """A share of trials, printed with its 95% Wilson interval as `.74 [.66, .81]`, or as `–` if there were none.

    Attributes:
        successes: How many trials succeeded.
        trials: How many trials there were.
    """

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


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        caption: What it shows.
        columns: The heads of the columns.
        rows: The cells.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Figure:
    """A plot, or a grid of pictures.

    Attributes:
        name: The name of its file, without an extension.
        caption: What it shows.
        drawing: The drawing itself, made with matplotlib.
        pixels: Whether it holds pictures, in which case it is kept as PNG and not as SVG.
    """

    name: str
    caption: str
    drawing: "Drawing"
    pixels: bool = False


@dataclass(frozen=True)
class Findings:
    """What a point finds.

    Attributes:
        text: What was done and how to read it, in paragraphs.
        tables: Summaries.
        figures: Plots and grids of pictures.
        rows: Tidy data: one row per measurement, by column.
    """

    text: Sequence[str]
    tables: Sequence[Table]
    figures: Sequence[Figure] = ()
    rows: Sequence[Row] = field(default_factory=tuple)


def file_names(texts: Sequence[str]) -> list[str]:
    """A name for each of some texts, made of its words, such as `red-hair`, and numbered if it is taken."""
    names: list[str] = []
    for text in texts:
        name = re.sub(r"\W+", "-", text)[:40].strip("-") or "untitled"
        again = sum(re.fullmatch(re.escape(name) + r"(-\d+)?", other) is not None for other in names)
        names.append(f"{name}-{again + 1}" if again else name)
    return names


def number(value: float, digits: int = 2) -> str:
    """`.74`, `-.05`, `1.00`: as they stand in tables of rates."""
    text = f"{value:z.{digits}f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def paired(first: Sequence[bool], second: Sequence[bool]) -> tuple[int, int, float]:
    """A paired comparison of outcomes: how often only the first succeeded, only the second, and McNemar's exact p."""
    from scipy.stats import binomtest

    one = sum(a and not b for a, b in zip(first, second, strict=True))
    other = sum(b and not a for a, b in zip(first, second, strict=True))
    p = float(binomtest(one, one + other).pvalue) if one + other else 1.0
    return one, other, p


def comparison(first: Sequence[bool], second: Sequence[bool]) -> tuple[str, str]:
    """Two cells: how often only the first and only the second succeeded, and McNemar's p."""
    one, other, p = paired(first, second)
    return f"{one} / {other}", f"{p:.1g}"
