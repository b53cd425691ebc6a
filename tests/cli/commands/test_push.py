"""Libraries in an object store on the command line."""

import json
from pathlib import Path

import pytest

from sega_store import Library, LibraryError
from tests.cli.conftest import SegaVec
from tests.cli.test_main import loaded
from tests.store.servers import Proxy


@pytest.fixture
def url(s3: Proxy) -> str:
    return f"s3://{s3.bucket}/library"


def test_push_and_pull(sega_vec: SegaVec, library: Library, url: str, folder: Path) -> None:
    sega_vec("rename", "glasses", "mine")
    document = json.loads(sega_vec("push", url, "--json").stdout)
    assert document == {"from": library.where, "to": url, "added": list(library), "held": [], "unnamed": []}
    assert sega_vec("push", url, "-q").stdout == ""
    again = sega_vec("push", url)
    assert again.stdout == ""
    assert "0 copied" in again.stderr
    assert "2 held already" in again.stderr
    pulled = sega_vec("pull", url, "mine", "--library", str(folder / "other"), "--jobs", "2")
    assert pulled.stdout.startswith("added ")
    assert Library(folder / "other").search()[0].name == "mine"
    Library(folder / "third").add(library["smile"], name="mine")
    assert "left without its name" in sega_vec("pull", url, "--library", str(folder / "third")).stderr


def test_every_command_takes_a_url(sega_vec: SegaVec, library: Library, url: str, folder: Path) -> None:
    sega_vec("push", url)
    at = ("--library", url)
    assert sega_vec("ls", "-q", *at).stdout.split() == list(library)
    shown = json.loads(sega_vec("show", "glasses", "--json", *at).stdout)
    assert shown["path"].startswith(f"{url}/vectors/")
    assert url in sega_vec("show", "glasses", *at).stdout
    sega_vec("tag", *at, "glasses", "+favourite")
    sega_vec("note", *at, "glasses", "round")
    sega_vec("rename", *at, "glasses", "mine")
    assert len(sega_vec("ls", "favourite", "-q", *at).stdout.split()) == 1
    assert "4 files checked, 0 damaged" in sega_vec("verify", "--rebuild", *at).stderr
    sega_vec("export", "mine", "one.zip", *at)
    sega_vec("rm", "mine", "--yes", *at)
    assert len(sega_vec("ls", "-q", *at).stdout.split()) == 1
    sega_vec("import", "one.zip", *at)
    assert Library(url).entry("mine").notes == "round"


def test_damage_in_an_object_store_has_its_url(sega_vec: SegaVec, library: Library, url: str) -> None:
    sega_vec("push", url)
    remote = Library(url)
    key = next(remote.files.keys("vectors/"))
    remote.files.replace(key, b"x")
    assert sega_vec("verify", "--library", url, "-q", exit_code=3).stdout == f"{url}/{key}\n"
    repaired = sega_vec("verify", "--library", url, "--from", str(library.root), "-q", exit_code=3)
    assert repaired.stdout == f"{url}/{key}\n"
    assert remote.verify().damages == ()


def test_a_missing_bucket_is_a_message(sega_vec: SegaVec, library: Library, s3: Proxy) -> None:
    assert "no such bucket" in sega_vec("push", "s3://nowhere/x", exit_code=1).stderr
    with pytest.raises(LibraryError):
        len(Library("s3://nowhere/x"))


def test_what_is_recorded_can_go_there(record: SegaVec, url: str) -> None:
    document = json.loads(record("--concept", "glasses", "--no-preview", "--library", url, "--json").stdout)
    assert document["library"] == url
    assert document["vectors"][0]["path"].startswith(url)
    again = json.loads(record("--concept", "glasses", "--no-preview", "--library", url, "--json").stdout)
    assert again["vectors"][0]["status"] == "held already"


def test_folders_never_import_obstore(library: Library) -> None:
    assert "obstore" not in loaded("ls")
    assert "obstore" not in loaded("verify")
