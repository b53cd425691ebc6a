"""`sega-vec ls`."""

import json
from pathlib import Path

from sega_store import Library
from tests.cli.conftest import SegaVec
from tests.cli.samples import make_noise, make_vector


def test_lists_newest_first_in_columns(sega_vec: SegaVec, library: Library) -> None:
    library.add(make_vector("hat", seed=22), make_noise(22), name="top hat")
    rows = [line.split("\t") for line in sega_vec("ls").stdout.splitlines()]
    assert rows[0][1:7] == ["top hat", "hat", "a portrait of a man", "embedded", "22", "6"]
    assert library.resolve(rows[0][0]) == library.resolve("hat")
    assert int(rows[0][7]) == library.path_of("hat").stat().st_size


def test_quiet_prints_ids_and_json_one_document(sega_vec: SegaVec, library: Library) -> None:
    assert set(sega_vec("ls", "--quiet").stdout.split()) == set(library)
    document = json.loads(sega_vec("ls", "--json").stdout)
    assert {row["id"] for row in document["vectors"]} == set(library)
    assert document["damaged"] == []


def test_filters(sega_vec: SegaVec, library: Library) -> None:
    library.add(make_vector("hat", seed=22, prompt="a king"), make_noise(22))
    assert sega_vec("ls", "-q", "king").stdout.split() == [library.resolve("hat")]
    assert sega_vec("ls", "-q", "--concept", "smile").stdout.split() == [library.resolve("smile")]
    assert sega_vec("ls", "-q", "--noise", make_noise(22).sha256[:12]).stdout.split() == [library.resolve("hat")]
    assert sega_vec("ls", "-q", "--model", "other").stdout == ""
    assert len(sega_vec("ls", "-q", "--limit", "1").stdout.split()) == 1
    assert sega_vec("ls", "-q", 'AND (" *').stdout == ""


def test_an_empty_library_says_so(sega_vec: SegaVec, folder: Path) -> None:
    result = sega_vec("ls")
    assert result.stdout == ""
    assert "no vector found" in result.stderr
    assert not (folder / "library").exists(), "listing creates nothing"


def test_a_stranger_cannot_command_the_terminal(sega_vec: SegaVec, library: Library) -> None:
    library.add(make_vector("red\x1b[31m\nhat", prompt="\x1b]0;title\x07"), make_noise(21))
    for arguments in (["ls"], ["show", "red\x1b[31m\nhat"]):
        assert all(c.isprintable() or c in "\n\t" for c in sega_vec(*arguments).output)


def test_damaged_files_are_reported_and_the_rest_is_listed(sega_vec: SegaVec, library: Library) -> None:
    whole = library.path_of("smile")
    recipe, content = library.resolve("smile").split(".")
    path = whole.with_name(f"{recipe[:2]}{'0' * 62}.{content}.zarr.zip")
    path.write_bytes(whole.read_bytes()[:100])
    result = sega_vec("ls")
    assert {line.split("\t")[2] for line in result.stdout.splitlines()} == {"glasses", "smile"}
    assert f"damaged: {path}" in result.stderr
    assert len(json.loads(sega_vec("ls", "--json").stdout)["damaged"]) == 1
