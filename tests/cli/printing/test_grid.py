"""The labelled grid of pictures."""

import numpy as np
from PIL import Image

from sega_cli.printing.grid import Row, Section, draw_grid


def test_a_grid_frames_what_shows_the_concept() -> None:
    cell = Image.new("RGB", (64, 64), (0, 0, 255))
    columns = ["a rather long prompt that needs several lines", "b"]
    page = draw_grid("title", ["note"], columns, [Section("s", (9, 9, 9), [Row("r", "n", [cell] * 2, [True, False])])])
    pixels = np.asarray(page).reshape(-1, 3)
    green = (pixels == (22, 150, 80)).all(1).sum()
    grey = (pixels == (205, 208, 214)).all(1).sum()
    assert green > grey > 0
    assert (pixels == (0, 0, 255)).all(1).sum() > 2 * 120 * 120
