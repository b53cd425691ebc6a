"""What a point of a study finds: sentences, tables, figures, and the tidy rows that they come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sega_vectors.study.rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True)
class Table:
    """A table of texts: its caption, the heads of its columns, and the cells of each row."""

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
    figures: Sequence[Figure]
    rows: Sequence[Row]
