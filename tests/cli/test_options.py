"""Seeds, REFs with scales, and values for each concept."""

from pathlib import Path

import click
import pytest

from sega_cli.options import FilePath, LibraryPlace, Model, Ref, ScaledRef, Seeds, spread
from sega_store import InvalidInputError, Library
from tests.cli.conftest import SegaVec


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


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for kind in (FilePath(), LibraryPlace()):
        assert kind.convert("~/a", None, None) == tmp_path / "a"
        assert kind.convert("a~", None, None) == Path("a~")
    assert LibraryPlace().convert("s3://bucket/~", None, None) == "s3://bucket/~"
    assert Model().convert("~/a", None, None) == str(tmp_path / "a")
    assert Model().convert("embedded", None, None) == "embedded"
    with pytest.raises(InvalidInputError, match=r"no home folder for '~nobody at all/a'"):
        FilePath().convert("~nobody at all/a", None, None)


def test_a_tilde_makes_no_folder_of_that_name(
    sega_vec: SegaVec, library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder / "home"))
    sega_vec("push", "~/pushed")
    sega_vec("export", "~/a.zip")
    sega_vec("import", "~/a.zip", "--library=~/imported")
    sega_vec("verify", "--from", "~/pushed", "--move-aside", "~/aside")
    sega_vec("browse", "--export", "~/site")
    monkeypatch.setenv("SEGA_VEC_LIBRARY", "~/imported")
    assert len(sega_vec("ls", "-q").stdout.split()) == 2
    monkeypatch.setenv("SEGA_VEC_CACHE", "~/cache")
    sega_vec("ls")
    assert {path.name for path in (folder / "home").iterdir()} == {"pushed", "a.zip", "imported", "site", "cache"}
    assert "home" in sega_vec("ls", "--library", "~nobody at all/a", exit_code=2).stderr
    assert not list(folder.glob("~*"))
