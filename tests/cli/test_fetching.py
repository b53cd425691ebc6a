"""A model that only a vector's file names is fetched if somebody agrees."""

import multiprocessing
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest

from sega_cli.browse.jobs import worker
from sega_cli.browse.jobs.messages import Doing, Ended, Start
from sega_cli.browse.jobs.orders import ApplyOrder
from sega_cli.generating.setup import recorded_model
from sega_store import Library, PipelineError
from tests.cli.conftest import SegaVec
from tests.cli.samples import make_noise, make_vector

APPLY = ("apply", "glasses", "--to-prompt", "a man")
TUNE = ("tune", "glasses", "--to-prompt", "a man", "--judge", "embedded")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[list[str]]:
    """What was asked of a Hub that has nothing, by processes that this one starts."""
    asked: list[str] = []

    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Nothing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_HOME", str(folder / "hub"))
    yield asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def strangers(folder: Path) -> Library:
    """A library whose vector names a model of somebody's."""
    vector = make_vector("glasses")
    facts = vector.provenance
    library = Library(folder / "library")
    library.add(
        replace(vector, provenance=replace(facts, model=replace(facts.model, id="somebody/model"))), make_noise(21)
    )
    return library


def at_a_terminal(answer: str) -> tuple[int, str]:
    """The exit status and output of `sega-vec apply` at a terminal where somebody answers."""
    ours, theirs = pty.openpty()
    line = [sys.executable, "-m", "sega_cli", *APPLY]
    process = subprocess.Popen(line, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    output, _ = process.communicate()
    os.close(ours)
    return process.returncode, output


@pytest.mark.usefixtures("strangers")
@pytest.mark.parametrize("command", [APPLY, TUNE], ids=["apply", "tune"])
def test_without_a_terminal_it_is_refused(command: tuple[str, ...], sega_vec: SegaVec, folder: Path) -> None:
    result = sega_vec(*command, input="y\n", exit_code=1)
    (line,) = result.stderr.splitlines()
    assert "'somebody/model' is not on this machine: choose another with --model, or add --yes" in line
    assert not (folder / "sega-vec-out").exists()


@pytest.mark.usefixtures("strangers")
def test_at_a_terminal_it_is_asked(hub: list[str]) -> None:
    status, output = at_a_terminal("n")
    assert status == 1
    assert "recorded with somebody/model. Fetch it from the Hugging Face Hub? [y/N]" in output
    assert "--model" in output
    assert hub == []
    status, output = at_a_terminal("y")
    assert status == 1
    assert "'somebody/model' could not be loaded" in output
    assert hub


@pytest.mark.usefixtures("strangers")
def test_yes_answers_in_advance(hub: list[str]) -> None:
    line = [sys.executable, "-m", "sega_cli", *APPLY, "--yes"]
    done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (message,) = [text for text in done.stderr.splitlines() if text.startswith("Error: ")]
    assert "'somebody/model' could not be loaded" in message
    assert any("somebody/model" in path for path in hub)


def test_the_pages_fetch_nothing(hub: list[str], strangers: Library) -> None:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=worker.main, args=(theirs, strangers.root, "cpu", "auto"))
    process.start()
    theirs.close()
    ours.send(Start(1, ApplyOrder(list(strangers), [{}], ["a man"])))
    told: list[Any] = []
    while not isinstance(told[-1] if told else None, Ended):
        told.append(ours.recv())
    ours.close()
    process.join()
    assert told[:-1] == [Doing("starting"), Doing("loading the model")]
    assert told[-1].state == "failed"
    assert "uses models that are on this machine only" in told[-1].reason
    assert hub == []


def test_what_this_machine_has_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder too, wherever a file says that it lies: it is checked when it is loaded."""
    (folder / "own").mkdir()
    for name in ("embedded", "own", "../" + folder.name, str(folder / "own")):
        assert recorded_model(name, fetch=False) == name
    for name in ("somebody/model", "../none", "/none", "//evil/share", r"\\evil\share", "x" * 9999, "a\0b", "-"):
        with pytest.raises(PipelineError, match="is not on this machine"):
            recorded_model(name, fetch=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    cache = folder / "models--somebody--model"
    for path, text in (("refs/main", "0" * 40), (f"snapshots/{'0' * 40}/model_index.json", "{}")):
        (cache / path).parent.mkdir(parents=True)
        (cache / path).write_text(text)
    assert recorded_model("somebody/model", fetch=False) == "somebody/model"
