"""Text for a terminal: foreign text made harmless, numbers drawn in characters, what it can't print replaced."""

import codecs
import io
import json
import sys
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

MOST_SHOWN = 2000  # characters of a text
_JOINERS = "\u200c\u200d"  # Persian and emoji need them, and they are harmless
_BARS = " ▁▂▃▄▅▆▇█"
_SHADES = " ░▒▓█"
_HEAT = ((13, 8, 60), (110, 20, 110), (205, 60, 70), (250, 150, 40), (252, 250, 190))  # dark to bright, as inferno


def print_anything() -> None:
    """Let standard output and error print any text, whatever their encoding: what it lacks becomes a question mark, and
    a byte of a file's name that is no text is printed as it is. A handler of errors that the user chose stays."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            ascii_only = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding=_PLAIN_ASCII if ascii_only else None, errors=_REPLACE)


_REPLACE, _PLAIN_ASCII = "sega_vec_replace", "sega_vec_ascii"


def _replaced(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    codes = map(ord, error.object[error.start : error.end])
    return bytes(code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else ord("?") for code in codes), error.end


def _plain_ascii(name: str) -> codecs.CodecInfo | None:
    """ASCII by another name: to a stream of that name click would write UTF-8."""
    info = codecs.lookup("ascii")
    parts = info.encode, info.decode, info.streamreader, info.streamwriter
    coders = info.incrementalencoder, info.incrementaldecoder
    return codecs.CodecInfo(*parts, *coders, name=name) if name == _PLAIN_ASCII else None


codecs.register_error(_REPLACE, _replaced)
codecs.register(_plain_ascii)


def clean(text: str, most: int | None = MOST_SHOWN) -> str:
    """One line without control characters: a library may come from a stranger, and a terminal obeys escapes.

    White space of any kind becomes a blank; a control, format or surrogate character becomes U+FFFD. A text of more
    than `most` characters is cut, and its length said: a prompt may have a million.
    """
    cut = most is not None and len(text) > most
    shown = "".join(" " if c.isspace() else c if _harmless(c) else "\ufffd" for c in (text[:most] if cut else text))
    return f"{shown}… ({len(text):,} characters)" if cut else shown


def escape(document: str) -> str:
    """JSON text with all unprintable characters as escapes: the same document, and harmless to look at.

    JSON's writer escapes only those below U+0020; the others occur only inside its strings.
    """
    return "".join(c if c.isprintable() or c in f"\n{_JOINERS}" else json.dumps(c)[1:-1] for c in document)


def _harmless(character: str) -> bool:
    return character in _JOINERS or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co")


def sparkline(values: Sequence[float], width: int = 60, top: float | None = None) -> str:
    """Numbers >= 0 as a line of bars; more than `width` numbers are averaged in groups.

    Args:
        width: The largest number of bars.
        top: The number drawn at full height; None: the largest.
    """
    count = len(values)
    edges = [round(i * count / width) for i in range(width + 1)] if count > width else list(range(count + 1))
    groups = [values[a:b] for a, b in pairwise(edges)]
    means = [sum(group) / len(group) for group in groups]
    top = max(means, default=0.0) if top is None else top
    if top <= 0:
        return _BARS[0] * len(means)
    # a number above zero is never drawn as a blank
    return "".join(_BARS[max(1, round(m / top * 8)) if m > 0 else 0] for m in means)


def heat_map(values: "Float[np.ndarray, 'H W']", *, colour: bool, width: int = 64) -> list[str]:
    """A picture of numbers >= 0, as lines of text.

    Args:
        values: The numbers, shape (H, W).
        colour: Draw two rows per line, as coloured half blocks; else one row per line, in shades two characters wide.
        width: The largest number of columns; a larger picture is averaged in blocks.
    """
    import numpy as np

    block = -(-max(values.shape) // width)
    height, breadth = (-(-side // block) * block for side in values.shape)
    padded = np.pad(values, ((0, height - values.shape[0]), (0, breadth - values.shape[1])), mode="edge")
    cells = padded.reshape(height // block, block, breadth // block, block).mean(axis=(1, 3))
    levels = cells / cells.max() if cells.max() > 0 else cells
    if colour:
        if len(levels) % 2:
            levels = np.vstack([levels, np.zeros_like(levels[:1])])
        lines = [
            "".join(click.style("▀", fg=_heat(up), bg=_heat(low)) for up, low in zip(upper, lower, strict=True))
            for upper, lower in zip(levels[::2], levels[1::2], strict=True)
        ]
    else:
        lines = ["".join(_SHADES[round(float(level) * 4)] * 2 for level in row) for row in levels]
    edge = "─" * (levels.shape[1] * (1 if colour else 2))
    return [f"┌{edge}┐", *(f"│{line}│" for line in lines), f"└{edge}┘"]


def _heat(level: float) -> tuple[int, int, int]:
    """The colour of a level in [0, 1], interpolated."""
    import numpy as np

    stops = np.linspace(0, 1, len(_HEAT))
    red, green, blue = (round(float(np.interp(level, stops, channel))) for channel in zip(*_HEAT, strict=True))
    return red, green, blue


def size(count: int) -> str:
    """A number of bytes for people, in decimal units."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
