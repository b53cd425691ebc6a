"""A command that ends early, by Ctrl-C or a full disk: what was finished is kept, and said."""

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from sega_store import Library
from tests.cli.conftest import FEW, SegaVec
from tests.cli.samples import make_noise, make_vector
from tests.vectors.study.plans import small_plan

Interrupt = Callable[[str, int], None]


def test_ctrl_c_keeps_what_was_finished(folder: Path, tiny_model: str) -> None:
    command = ["record", "a man", "--model", tiny_model, *FEW, "--concept", "glasses", "--seed", "0..9999", "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-m", "sega_cli", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # it is ignored in the background
    )
    assert process.stdout is not None
    finished = [process.stdout.readline().strip() for _ in range(3)]
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate()
    assert process.returncode == 130
    assert stderr.splitlines()[-1] == "Error: interrupted; what was finished is kept"
    assert "Traceback" not in stderr
    library = Library(folder / "library")
    assert {*finished, *stdout.split()} <= set(library)
    assert all(library[ref].nnz for ref in finished)
    assert not list(library.root.rglob("*.tmp"))


def test_a_full_disk_is_said_and_leaves_nothing_half_written(record: SegaVec, recorded: Library) -> None:
    before = set(recorded)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        result = record("--concept", "beard", "--no-preview", exit_code=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "Error: " in result.stderr
    assert "File too large" in result.stderr
    assert set(recorded) == before
    assert not list(recorded.root.rglob("*.tmp"))


@pytest.mark.parametrize("command", ["record", "apply"])
def test_ctrl_c_under_json_says_what_was_made(recorded: Library, folder: Path, tiny_model: str, command: str) -> None:
    arguments = {
        "record": ["a man", "--model", tiny_model, *FEW, "--concept", "glasses", "--seed", "5..9999"],
        "apply": ["glasses", *(word for i in range(2000) for word in ("--to-prompt", f"a man {i}"))],
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "sega_cli", command, *arguments[command], "--output", "out", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and len(list(folder.glob("out/*.png"))) < 4:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in stderr
    document = json.loads(stdout)
    assert document["complete"] is False
    if command == "record":
        paths = document["pictures"]
        assert {row["id"] for row in document["vectors"]} <= set(recorded)
        assert len(document["vectors"]) >= 2
    else:
        paths = [picture["path"] for picture in document["pictures"]]
    assert len(paths) >= 3
    assert all((folder / path).is_file() for path in paths)


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Interrupt:
    """Interrupts a function, named `module:name` or `module:Class.name`, when it is called the n-th time."""

    def at(place: str, call: int) -> None:
        module, _, name = place.partition(":")
        owner: Any = import_module(module)
        *classes, name = name.split(".")
        for one in classes:
            owner = getattr(owner, one)
        original, calls = getattr(owner, name), []

        def interrupted(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            if len(calls) >= call:
                raise KeyboardInterrupt
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, interrupted)

    return at


@pytest.fixture
def cut_short(sega_vec: SegaVec) -> Callable[..., dict[str, Any]]:
    """Runs a command that is interrupted, and gives its answer."""

    def run(*arguments: str) -> dict[str, Any]:
        result = sega_vec(arguments[0], "--json", *arguments[1:], exit_code=130)
        assert "interrupted; what was finished is kept" in result.stderr
        document: dict[str, Any] = json.loads(result.stdout)
        assert document.pop("complete") is False
        return document

    return run


def test_copies_that_were_made_are_named(
    library: Library, folder: Path, interrupt: Interrupt, cut_short: Callable[..., dict[str, Any]], sega_vec: SegaVec
) -> None:
    for seed in range(4):
        library.add(make_vector("hat", seed=seed), make_noise(seed))
    sega_vec("push", "held", "hat", "--seed", "3")
    interrupt("sega_store.exchange.sync:_Batch._copy_vector", 3)
    for command in (["push", "held"], ["pull", str(library.root), "--library", "other"]):
        document = cut_short(*command, "--jobs", "1")
        assert set(document["added"]) | set(document["held"]) == set(Library(document["to"]))
        assert len(document["added"]) == (2 if command[0] == "push" else 0), "it goes on being interrupted"


def test_imports_removals_and_tags_that_were_made_are_named(
    library: Library, interrupt: Interrupt, cut_short: Callable[..., dict[str, Any]], sega_vec: SegaVec
) -> None:
    sega_vec("export", "a.zip")
    interrupt("sega_store.exchange.bundle_import:_place", 2)
    document = cut_short("import", "a.zip", "--library", "other")
    assert set(document["added"]) == set(Library("other"))
    assert len(document["added"]) == 1
    interrupt("sega_store:Library.annotate", 2)
    document = cut_short("tag", "--seed", "21", "+new")
    assert [row["id"] for row in document["vectors"]] == [entry.id for entry in library.search("new")]
    assert len(document["vectors"]) == 1
    interrupt("sega_store:Library.remove", 2)
    before = set(library)
    document = cut_short("rm", "--seed", "21", "--yes")
    assert len(document["removed"]) == 1
    assert set(document["removed"]) == before - set(library)


def test_an_export_that_was_interrupted_made_nothing(
    library: Library, folder: Path, interrupt: Interrupt, cut_short: Callable[..., dict[str, Any]]
) -> None:
    interrupt("sega_store.exchange.export:parcel_of", 2)
    before = set(folder.iterdir())
    for path in ("a.zip", "a"):
        assert cut_short("export", path)["vectors"] == []
    assert set(folder.iterdir()) - before <= {folder / "cache"}


def test_damage_that_was_found_is_named(
    library: Library, folder: Path, interrupt: Interrupt, cut_short: Callable[..., dict[str, Any]]
) -> None:
    for path in library.root.rglob("vectors/*/*.zip"):
        path.write_bytes(b"")
    interrupt("sega_store.library.verify:_mend", 2)
    document = cut_short("verify", "--move-aside", "aside")
    (damage,) = document["damaged"]
    assert Path(damage["aside"]).is_file()
    assert document["files"] == 1


def test_settings_that_were_tried_are_named(
    glasses: Library, interrupt: Interrupt, cut_short: Callable[..., dict[str, Any]]
) -> None:
    interrupt("sega_vectors.judging.trials:Trials.run", 3)
    few = ("--edit-threshold", "0.9", "--edit-warmup-steps", "2", "--to-prompt", "a cartoon of a king")
    document = cut_short("tune", "first", *few)
    assert [one["edit_guidance_scale"] for one in document["tried"]] == [5.0]
    assert (document["recommended"], document["kept"]) == (None, False)
    assert glasses.recommended("first") is None


def test_a_study_counts_what_it_made(
    folder: Path, interrupt: Interrupt, cut_short: Callable[..., dict[str, Any]]
) -> None:
    (folder / "plan.json").write_text(json.dumps(small_plan().to_json()), encoding="utf-8")
    interrupt("sega_vectors.study.laboratory:Laboratory.make", 2)
    document = cut_short("study", "robustness", "--plan", "plan.json", "--steps", "2", "--device", "cpu")
    assert document["made"] == len(list(Path(document["output"]).rglob("*.png"))) > 0
    assert document["made"] < document["pictures"]
    assert "report" not in document


def test_a_demo_names_the_vectors_it_kept(
    folder: Path, interrupt: Interrupt, cut_short: Callable[..., dict[str, Any]]
) -> None:
    interrupt("sega_vectors.judging.trials:Trials.run", 2)
    document = cut_short("demo", "--steps", "2", "--seed", "1,2")
    assert set(document["bytes"]) == set(Library(document["library"]))
    assert len(document["bytes"]) == 2
    assert document["picture"] is None


def test_a_failure_says_what_was_made_before_it(recorded: Library, sega_vec: SegaVec) -> None:
    prompts = ("--to-prompt", "a woman", "--to-prompt", "a king")
    (made,) = json.loads(sega_vec("apply", "glasses", *prompts[:2], "--json").stdout)["pictures"]
    path = Path(made["path"])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
    try:
        result = sega_vec("apply", "glasses", *prompts, "--json", exit_code=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    document = json.loads(result.stdout)
    assert [picture["path"] for picture in document["pictures"]] == [str(path)]
    assert document["complete"] is False
    assert "File too large" in result.stderr
