"""Plots."""

import math

import numpy as np
import pytest

from sega_cli.browse.parts.plots import histogram, place, plot


def test_a_line_runs_from_the_left_to_the_right_and_0_is_the_bottom() -> None:
    made = plot("Energy", [("energy", [0.0, 5.0, 10.0])])
    assert (made.low, made.high, made.steps, made.zero) == (0, 10, 3, 100)
    assert made.lines[0].path == "M16.67 100.00 L50.00 50.00 L83.33 0.00"
    assert made.summary == "Energy. least 0 at step 0, most 10 at step 2."


def test_a_line_pauses_where_there_is_no_number() -> None:
    made = plot("Cosine", [("a", [1.0, math.nan, -1.0, -1.0]), ("b", [math.nan] * 4)], -1, 1)
    assert made.lines[0].path == "M12.50 0.00 L12.50 0.00M62.50 100.00 L87.50 100.00"
    assert made.lines[1].path == ""
    assert made.zero == 50
    assert "a: least -1 at step 2, most 1 at step 0." in made.summary
    assert "b: no values." in made.summary


@pytest.mark.parametrize("values", [[0.0], [0.0, 0.0], [3.0]])
def test_flat_lines_are_drawn(values: list[float]) -> None:
    assert "nan" not in plot("flat", [("a", values)]).lines[0].path


def test_steps_stand_in_the_middle_of_their_shares() -> None:
    assert [place(step, 4) for step in range(4)] == [12.5, 37.5, 62.5, 87.5]


def test_a_histogram_has_0_in_the_middle() -> None:
    made = histogram(np.array([-2, -2, 1, 4], np.float32))
    assert made.edge == 4
    assert made.most == 2
    assert len(made.bars) % 2 == 1
    assert max(made.bars) == made.bars[round((-2 + 4) / 8 * len(made.bars) - 0.5)] == 100
    assert made.bars[-1] == 50
    assert histogram(np.zeros(0, np.float32)).most == 0
