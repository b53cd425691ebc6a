"""A grid of pictures with labelled rows and columns, and a frame around those that show what was wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

_CELL = 144
_GAP = 8
_LABEL = 190
_MARGIN = 24
_INK, _FAINT, _PAPER = (25, 28, 35), (105, 110, 120), (255, 255, 255)
_SHOWN, _NOT_SHOWN = (22, 150, 80), (205, 208, 214)


@dataclass(frozen=True)
class Row:
    """One row of the grid.

    Attributes:
        note: A second, fainter line.
        images: The pictures, one a column.
        shown: Whether each picture shows what the row is about; None: the row isn't judged.
    """

    label: str
    note: str
    images: Sequence["Image"]
    shown: Sequence[bool] | None = None


@dataclass(frozen=True)
class Section:
    """Rows under a common title, on a band of a colour."""

    title: str
    colour: tuple[int, int, int]
    rows: Sequence[Row]


def draw_grid(title: str, notes: Sequence[str], columns: Sequence[str], sections: Sequence[Section]) -> "Image":
    """Draw everything on one page: its title, notes below it, and sections under columns, whose titles are wrapped."""
    from PIL import Image, ImageDraw

    heading, text, small = _font(26), _font(15), _font(13)
    wrapped = [_wrap(column, small, _CELL) for column in columns]
    top = _MARGIN + 40 + 20 * len(notes) + 12
    head = top + 17 * max(len(lines) for lines in wrapped) + 10
    band = 30
    height = head + sum(band + _GAP + len(s.rows) * (_CELL + _GAP) + 6 for s in sections) + _MARGIN
    width = 2 * _MARGIN + _LABEL + len(columns) * (_CELL + _GAP)
    page = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((_MARGIN, _MARGIN - 4), title, _INK, heading)
    for i, note in enumerate(notes):
        draw.text((_MARGIN, _MARGIN + 38 + 20 * i), note, _FAINT, text)
    left = [_MARGIN + _LABEL + i * (_CELL + _GAP) for i in range(len(columns))]
    for x, lines in zip(left, wrapped, strict=True):
        draw.multiline_text((x, head - 10 - 17 * len(lines)), "\n".join(lines), _INK, small, spacing=3)
    y = head
    for section in sections:
        draw.rectangle((_MARGIN, y, width - _MARGIN - _GAP, y + band - 4), section.colour)
        draw.text((_MARGIN + 10, y + 4), section.title, _PAPER, text)
        y += band + _GAP
        for row in section.rows:
            _draw_row(page, draw, row, y, left)
            y += _CELL + _GAP
        y += 6
    return page


def _draw_row(page: "Image", draw: Any, row: Row, y: int, left: Sequence[int]) -> None:
    from PIL.Image import Resampling

    lines = _wrap(row.label, _font(17), _LABEL - 12)
    draw.multiline_text((_MARGIN, y + 30), "\n".join(lines), _INK, _font(17), spacing=4)
    faint = "\n".join(_wrap(row.note, _font(13), _LABEL - 12))
    draw.multiline_text((_MARGIN, y + 36 + 22 * len(lines)), faint, _FAINT, _font(13), spacing=4)
    for index, (x, image) in enumerate(zip(left, row.images, strict=True)):
        page.paste(image.convert("RGB").resize((_CELL, _CELL), Resampling.LANCZOS), (x, y))
        if row.shown is not None:
            colour, thickness = (_SHOWN, 5) if row.shown[index] else (_NOT_SHOWN, 2)
            draw.rectangle((x, y, x + _CELL - 1, y + _CELL - 1), outline=colour, width=thickness)


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _wrap(text: str, font: Any, width: int) -> list[str]:
    """Break a text into lines that fit."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
