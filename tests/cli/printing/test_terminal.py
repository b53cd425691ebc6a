"""Foreign text made harmless, and drawings in characters."""

import json

import click
import numpy as np
import pytest

from sega_cli.printing.terminal import clean, escape, heat_map, size, sparkline

EVIL = ["\x1b[2J", "\x9b31m", "\x07", "\x00", "\x7f", "\u202e", "\ud800", "\ue000", "\U000e0041", "a\r\nb\tc"]


@pytest.mark.parametrize("evil", EVIL)
def test_no_control_character_reaches_the_terminal(evil: str) -> None:
    assert all(c.isprintable() for c in clean(evil))


@pytest.mark.parametrize("evil", EVIL)
def test_json_says_the_same_without_control_characters(evil: str) -> None:
    escaped = escape(json.dumps({"text": evil + "é"}, indent=2, ensure_ascii=False))
    assert all(c.isprintable() or c == "\n" for c in escaped)
    assert "é" in escaped
    assert json.loads(escaped) == {"text": evil + "é"}


def test_ordinary_text_stays() -> None:
    for text in ("a portrait of a man", "眼鏡をかけた", "café", "👩‍🎨 paints", "می‌خواهم"):
        assert clean(text) == text


def test_a_sparkline_rises_to_its_largest_value() -> None:
    assert sparkline([0, 1, 4, 8]) == " ▁▄█"
    assert sparkline([0, 1, 4, 8], top=16) == " ▁▂▄"
    assert sparkline([0, 0]) == "  "
    assert sparkline([]) == ""
    assert sparkline([0.001, 1000]) == "▁█", "what is not zero is seen"
    assert len(sparkline(list(range(1000)), width=60)) == 60


def test_a_heat_map_shows_where() -> None:
    values = np.zeros((4, 6))
    values[0, 5] = 1
    lines = heat_map(values, colour=False)
    assert lines == ["┌" + "─" * 12 + "┐", "│" + " " * 10 + "██│", *["│" + " " * 12 + "│"] * 3, "└" + "─" * 12 + "┘"]


def test_a_coloured_heat_map_has_two_rows_a_line() -> None:
    lines = heat_map(np.eye(5), colour=True)
    assert [len(click.unstyle(line)) for line in lines] == [7] * 5
    assert click.unstyle(lines[1]) == "│▀▀▀▀▀│"


def test_a_large_heat_map_is_averaged_in_blocks() -> None:
    lines = heat_map(np.ones((130, 97)), colour=False, width=64)
    assert len(lines) == 2 + 44
    assert {len(line) for line in lines} == {2 + 2 * 33}


def test_a_map_of_nothing_is_empty() -> None:
    assert set("".join(heat_map(np.zeros((2, 2)), colour=False)[1:-1])) == {"│", " "}


def test_sizes_are_for_people() -> None:
    assert [size(n) for n in (0, 999, 1000, 71_112, 3_276_888)] == ["0 B", "999 B", "1.0 kB", "71.1 kB", "3.3 MB"]
