"""`sega-vec tag`, `rename` and `note`."""

import errno
import json
import os
from pathlib import Path
from typing import NoReturn

import pytest

from sega_store import Library
from tests.cli.conftest import SegaVec


def test_tags_come_and_go(sega_vec: SegaVec, library: Library) -> None:
    assert sega_vec("tag", "glasses", "+two words", "+b", "+quick").stdout.endswith("glasses  +b  +quick  +two words\n")
    assert sega_vec("ls", "-q", "two words").stdout.split() == [library.resolve("glasses")]
    assert sega_vec("tag", "glasses", "-b", "+c", "-quick").stdout.endswith("glasses  +c  +two words\n")
    assert "has no tag 'b'" in sega_vec("tag", "glasses", "-b").stderr
    assert library.entry("glasses").tags == ("c", "two words")


def test_looking_at_tags_writes_nothing(sega_vec: SegaVec, library: Library, folder: Path) -> None:
    assert sega_vec("tag", "glasses").stdout.endswith("  glasses\n")
    assert not (folder / "library" / "annotations").exists()


def test_ratings(sega_vec: SegaVec, library: Library) -> None:
    assert "★★★★" in sega_vec("tag", "--rating", "4", "glasses").stdout
    assert json.loads(sega_vec("tag", "--json", "glasses", "+a").stdout)["rating"] == 4
    sega_vec("tag", "--rating", "0", "glasses")
    assert library.entry("glasses").rating is None
    sega_vec("tag", "--rating", "6", "glasses", exit_code=2)


def test_bad_tags(sega_vec: SegaVec, library: Library) -> None:
    for bad in ("portrait", "--json", ""):
        assert "Write +TAG" in sega_vec("tag", "glasses", bad, exit_code=2).stderr
    for bad in ("+", "+two\nlines", "+ x"):
        sega_vec("tag", "glasses", bad, exit_code=2)
    sega_vec("tag", "hat", "+a", exit_code=1)
    assert library.entry("glasses").tags == ()


def test_names(sega_vec: SegaVec, library: Library) -> None:
    assert sega_vec("rename", "glasses", "mine").stdout.endswith("  mine\n")
    assert sega_vec("rename", "mine", "yours", "-q").stdout.split() == [library.resolve("glasses")]
    assert "is " in sega_vec("rename", "smile", "yours", exit_code=2).stderr
    assert json.loads(sega_vec("rename", "yours", "", "--json").stdout)["name"] is None
    sega_vec("rename", "yours", "x", exit_code=1)


def test_notes(sega_vec: SegaVec, library: Library) -> None:
    sega_vec("note", "glasses", "works on\ndrawings \x1b[2J")
    assert sega_vec("ls", "-q", "drawings").stdout.split() == [library.resolve("glasses")]
    assert "works on drawings \ufffd[2J" in sega_vec("tag", "glasses").stdout
    sega_vec("note", "glasses", "")
    assert library.entry("glasses").notes == ""


def test_a_full_disk_is_a_failure_that_loses_nothing(
    sega_vec: SegaVec, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    sega_vec("note", "glasses", "before")

    def full(*_: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert "The disk is full: free some space" in sega_vec("note", "glasses", "after", exit_code=1).stderr
    monkeypatch.undo()
    assert library.entry("glasses").notes == "before"
