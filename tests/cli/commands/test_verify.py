"""`sega-vec verify`."""

import json
from pathlib import Path

import pytest

from sega_store import Library
from tests.cli.conftest import SegaVec
from tests.cli.test_main import HEAVY, loaded


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_whole_library(sega_vec: SegaVec, library: Library) -> None:
    result = sega_vec("verify")
    assert result.stdout == ""
    assert result.stderr == "3 files checked, 0 damaged, 0 left so\n"
    assert json.loads(sega_vec("verify", "--json").stdout)["damaged"] == []


def test_damage_is_one_line_and_exits_3(sega_vec: SegaVec, library: Library) -> None:
    path = library.path_of("glasses")
    flip(path)
    result = sega_vec("verify", exit_code=3)
    assert result.stdout.startswith(f"{path}: ")
    assert len(result.stdout.splitlines()) == 1
    assert sega_vec("verify", "-q", exit_code=3).stdout == f"{path}\n"
    (damage,) = json.loads(sega_vec("verify", "--json", exit_code=3).stdout)["damaged"]
    assert (damage["path"], damage["outcome"], damage["aside"]) == (str(path), "left", None)
    sega_vec("verify", "smile")
    sega_vec("verify", "glasses", exit_code=3)
    sega_vec("verify", "hat", exit_code=1)


def test_damaged_files_are_moved_aside(sega_vec: SegaVec, library: Library, folder: Path) -> None:
    flip(library.path_of("glasses"))
    assert "(moved aside" in sega_vec("verify", "--move-aside", "damaged", exit_code=3).stdout
    assert len(list((folder / "damaged").iterdir())) == 1
    assert sega_vec("ls", "-q").stdout.split() == [library.resolve("smile")]


def test_damage_is_repaired_from_an_export(sega_vec: SegaVec, library: Library, folder: Path) -> None:
    sega_vec("export", "backup")
    before = library["glasses"]
    flip(library.path_of("glasses"))
    assert "(repaired)" in sega_vec("verify", "--from", "backup", exit_code=3).stdout
    assert library["glasses"] == before
    sega_vec("verify")


@pytest.mark.parametrize("line", ["verify", "export a.zarr", "export glasses a.safetensors", "tag glasses +a"])
def test_keeping_a_library_never_imports_torch(line: str, library: Library) -> None:
    assert loaded(*line.split()).isdisjoint({*HEAVY, "sega_vectors", "rich"})


def test_importing_never_imports_torch(sega_vec: SegaVec, library: Library) -> None:
    sega_vec("export", "a.zip")
    assert loaded("import", "a.zip", "--library", "other").isdisjoint({*HEAVY, "sega_vectors", "rich"})


@pytest.mark.parametrize("arguments", [["verify", "--library"], ["pull"], ["verify", "--rebuild", "--library"]])
def test_a_library_that_is_not_there_is_an_error(sega_vec: SegaVec, folder: Path, arguments: list[str]) -> None:
    result = sega_vec(*arguments, str(folder / "nowhere"), exit_code=1)
    assert "There is no library at" in result.stderr
    assert not (folder / "nowhere").exists()
