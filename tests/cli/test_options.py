"""Seeds, REFs with scales, and values for each concept."""

import click
import pytest

from sega_cli.options import Ref, ScaledRef, Seeds, spread


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("7", (7,)),
        ("1,2,5", (1, 2, 5)),
        ("0..9", tuple(range(10))),
        ("3..3", (3,)),
        ("5, 1..2,5", (5, 1, 2)),
        (str(2**63 - 1), (2**63 - 1,)),
    ],
)
def test_seeds_are_lists_and_ranges_without_repeats(text: str, seeds: tuple[int, ...]) -> None:
    assert Seeds().convert(text, None, None) == seeds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a list of seeds"),
        ("seven", "not a list of seeds"),
        ("-1", "not a list of seeds"),
        ("1.5", "not a list of seeds"),
        ("1,,2", "not a list of seeds"),
        ("٣", "not a list of seeds"),
        ("9..0", "write 0..9"),
        (str(2**63), "below 2"),
        ("0..99999999999", "more than 1,000,000"),
    ],
)
def test_malformed_seeds_say_how_to_write_them(text: str, message: str) -> None:
    with pytest.raises(click.BadParameter, match=message):
        Seeds().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "ref", "scale"),
    [
        ("glasses", "glasses", 1.0),
        ("glasses:1.5", "glasses", 1.5),
        ("glasses:-1", "glasses", -1.0),
        ("ratio 16:nine", "ratio 16:nine", 1.0),
        ("a:b:0", "a:b", 0.0),
    ],
)
def test_a_ref_may_carry_a_scale(text: str, ref: str, scale: float) -> None:
    assert Ref().convert(text, None, None) == ScaledRef(ref, scale)


@pytest.mark.parametrize("scale", ["nan", "inf"])
def test_a_scale_is_finite(scale: str) -> None:
    with pytest.raises(click.BadParameter, match="finite"):
        Ref().convert(f"glasses:{scale}", None, None)


def test_a_value_goes_for_all_or_for_each() -> None:
    assert spread([], 2, "--x", "concepts") == [None, None]
    assert spread([1], 3, "--x", "concepts") == [1, 1, 1]
    assert spread([1, 2], 2, "--x", "concepts") == [1, 2]
    with pytest.raises(click.UsageError, match="--x is given 2 times for 3 concepts"):
        spread([1, 2], 3, "--x", "concepts")
