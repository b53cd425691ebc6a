"""`sega-vec ls`."""

import json
from pathlib import Path
from typing import Any

import pytest

from sega_store import Entry, Library
from sega_store.library.catalogue import Catalogue
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


def test_a_long_listing_is_made_a_page_at_a_time(
    sega_vec: SegaVec, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(5):
        library.add(make_vector("hat", seed=seed), make_noise(seed))
    whole = [sega_vec("ls", *options).stdout for options in ((), ("--json",), ("-q",), ("--limit", "3"))]
    asked: list[int | None] = []
    page = Catalogue.page

    def paged(catalogue: Catalogue, *given: Any, **options: Any) -> list[Entry]:
        asked.append(options["limit"])
        return page(catalogue, *given, **options)

    monkeypatch.setattr("sega_store.library.catalogue.PAGE", 2)
    monkeypatch.setattr(Catalogue, "page", paged)
    assert [sega_vec("ls", *o).stdout for o in ((), ("--json",), ("-q",), ("--limit", "3"))] == whole
    assert asked == [*[2, 2, 2, 2, 2] * 3, 2, 1, 0]
    assert len(json.loads(whole[1])["vectors"]) == len(library) == 7


def test_json_of_an_empty_library_is_a_document(sega_vec: SegaVec) -> None:
    assert json.loads(sega_vec("ls", "--json").stdout)["vectors"] == []


def test_a_long_prompt_is_cut_and_json_has_it_whole(sega_vec: SegaVec, library: Library) -> None:
    prompt = "word " * 180_000
    identity = library.add(make_vector("hat", prompt=prompt), make_noise(21))
    for command in (("ls",), ("show", identity), ("show", "hat")):
        printed = sega_vec(*command).stdout
        assert "… (900,000 characters)" in printed
        assert len(printed) < 20_000
    assert json.loads(sega_vec("ls", "--json", "--concept", "hat").stdout)["vectors"][0]["prompt"] == prompt
    assert json.loads(sega_vec("show", "--json", "hat").stdout)["provenance"]["run"]["prompt"] == prompt
    library.add(make_vector("hat", seed=2, prompt=prompt), make_noise(2))
    assert len(sega_vec("show", "hat", exit_code=1).stderr) < 2000
