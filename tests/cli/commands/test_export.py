"""`sega-vec export` and `sega-vec import`."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from sega_cli.commands.export import FORMATS
from sega_store import Library
from sega_store.exchange.export import FORMATS as KNOWN
from tests.cli.conftest import SegaVec


def test_the_formats_are_those_of_the_library() -> None:
    assert tuple(KNOWN) == FORMATS


def test_a_zip_comes_back(sega_vec: SegaVec, library: Library, folder: Path) -> None:
    library.annotate("smile", name="mine", tags=["a tag"])
    assert sega_vec("export", "vectors.zip").stdout == "2 vectors  vectors.zip\n"
    result = sega_vec("import", "vectors.zip", "--library", "other")
    assert sorted(line.split()[2] for line in result.stdout.splitlines()) == ["glasses", "smile"]
    assert set(sega_vec("ls", "-q", "--library", "other").stdout.split()) == set(library)
    assert sega_vec("ls", "-q", "a tag", "--library", "other").stdout.split() == [library.resolve("mine")]
    again = sega_vec("import", "vectors.zip")
    assert again.stdout == ""
    assert again.stderr.count("held already") == 2


def test_refs_choose_the_vectors(sega_vec: SegaVec, library: Library, folder: Path) -> None:
    document = json.loads(sega_vec("export", "glasses", "one.safetensors", "--json").stdout)
    assert document["vectors"] == [library.resolve("glasses")]
    assert document["path"] == "one.safetensors"
    assert sega_vec("export", "smile", "two", "--format", "safetensors", "-q").stdout == "two\n"
    for ref, path in (("glasses", "one.safetensors"), ("smile", f"two/{library.resolve('smile')}.safetensors")):
        np.testing.assert_array_equal(load_file(folder / path)["dense"], library[ref].dense())


def test_only_zips_are_imported_and_folders_pulled(sega_vec: SegaVec, library: Library, folder: Path) -> None:
    sega_vec("export", "glasses", "a.safetensors")
    for name in ("a.zarr", "a"):
        sega_vec("export", name)
    for name in ("a.zarr", "a", "a.safetensors"):
        error = sega_vec("import", name, "--library", "other", exit_code=1).stderr
        assert "Only bundles are imported" in error
        assert "pull a library's folder or URL" in " ".join(error.split())
    assert "it is no plain file" in sega_vec("import", "a", "--library", "other", exit_code=1).stderr
    assert not (folder / "other").exists()
    sega_vec("pull", "a", "--library", "other")
    assert set(sega_vec("ls", "-q", "--library", "other").stdout.split()) == set(library)


def test_bad_input(sega_vec: SegaVec, library: Library, folder: Path) -> None:
    sega_vec("export", "hat", "a.zip", exit_code=1)
    assert "one vector, met 2" in sega_vec("export", "a.safetensors", exit_code=2).stderr
    sega_vec("export", "a.zip", "--library", "empty", exit_code=2)
    sega_vec("export", "a.zip")
    assert "is there already" in sega_vec("export", "a.zip", exit_code=2).stderr
    (folder / "b.zip").write_bytes((folder / "a.zip").read_bytes()[:-1])
    assert "b.zip: its zip directory" in sega_vec("import", "b.zip", "--library", "other", exit_code=1).stderr
    assert not (folder / "other").exists()
    assert "no file of that name" in sega_vec("import", "c.zip", exit_code=1).stderr


def test_a_taken_name_is_left_out(sega_vec: SegaVec, library: Library) -> None:
    library.annotate("smile", name="mine")
    sega_vec("export", "mine", "a.zip")
    library.annotate("mine", name=None)
    library.annotate("glasses", name="mine")
    library.remove("smile")
    assert "without its name" in sega_vec("import", "a.zip").stderr
    assert library["mine"].concept.text == "glasses"


@pytest.mark.parametrize("name", ["x.npz", "x.json", "x.tar.gz", "vectors.v1"])
def test_an_ending_that_is_no_format_is_refused(sega_vec: SegaVec, library: Library, folder: Path, name: str) -> None:
    message = " ".join(sega_vec("export", name, exit_code=2).stderr.split())
    assert "a path ends in .zip, .zarr or .safetensors, or in nothing if a folder is wanted" in message
    assert "give the format" in message
    assert not (folder / name).exists()
    sega_vec("export", name, "--format", "folder")
    assert len(Library(folder / name)) == 2


@pytest.mark.parametrize(("name", "format"), [("x.zip", "folder"), ("x.zarr", "zip"), ("x.safetensors", "folder")])
def test_an_ending_and_a_format_must_agree(
    sega_vec: SegaVec, library: Library, folder: Path, name: str, format: str
) -> None:
    assert "leave the format out" in " ".join(sega_vec("export", name, "--format", format, exit_code=2).stderr.split())
    assert not (folder / name).exists()


def test_an_ending_counts_in_capitals_too(sega_vec: SegaVec, library: Library) -> None:
    sega_vec("export", "x.ZIP")
    sega_vec("import", "x.ZIP", "--library", "other")


@pytest.mark.parametrize(
    "command",
    [
        ["apply", "glasses", "--to-prompt", "a", "--output", "x.png"],
        ["record", "a", "--concept", "b", "--output", "x.PNG"],
        ["study", "--output", "x.html"],
        ["demo", "--output", "x.png"],
        ["verify", "--move-aside", "x.zip"],
        ["browse", "--export", "x.html"],
        ["push", "x.zip"],
        ["ls", "--library", "x.zip"],
    ],
)
def test_a_folder_is_not_called_as_a_file(
    sega_vec: SegaVec, library: Library, folder: Path, command: list[str]
) -> None:
    assert "ends as a file does: name a folder" in " ".join(sega_vec(*command, exit_code=2).stderr.split())
    assert not list(folder.glob("x.*"))
