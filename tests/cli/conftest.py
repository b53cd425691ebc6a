"""What the command's tests share: a runner that never meets the user's own library."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sega_cli.main import main
from sega_store import Library
from tests.cli.samples import make_noise, make_vector

SegaVec = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a test, with caches and the default library beneath it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGA_VEC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEGA_VEC_LIBRARY", str(tmp_path / "library"))
    return tmp_path


@pytest.fixture
def sega_vec(folder: Path) -> SegaVec:
    """Runs the command in this process; an exception that is no click error fails the test."""

    def run(*arguments: str, input: str | None = None, exit_code: int | None = 0) -> Result:
        result = CliRunner().invoke(main, list(arguments), input=input, prog_name="sega-vec")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert exit_code in (None, result.exit_code), result.output
        return result

    return run


@pytest.fixture
def library(folder: Path) -> Library:
    """The default library with `glasses` and `smile` from seed 21."""
    library = Library(folder / "library")
    for text in ("glasses", "smile"):
        library.add(make_vector(text), make_noise(21))
    return library


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a tiny Stable Diffusion pipeline of random weights."""
    from tests.vectors.tiny import stable_diffusion

    folder = tmp_path_factory.mktemp("tiny")
    stable_diffusion().save_pretrained(folder)
    return str(folder)


FEW = ("--steps", "3", "--edit-warmup-steps", "1", "--edit-threshold", "0.9")


@pytest.fixture
def record(sega_vec: SegaVec, tiny_model: str) -> SegaVec:
    """`sega-vec record` with the tiny model and few steps."""
    return partial(sega_vec, "record", "a man", "--model", tiny_model, *FEW)


@pytest.fixture(scope="session")
def recordings(tiny_model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with `glasses` and `smile`, each recorded on its own at seed 1, and `hat` at seed 2."""
    folder = tmp_path_factory.mktemp("recordings")
    for concept, seed in (("glasses", "1"), ("smile", "1"), ("hat", "2")):
        arguments = ["--concept", concept, "--seed", seed, "--no-preview", "--library", str(folder / "library")]
        result = CliRunner(env={"SEGA_VEC_CACHE": str(folder / "cache")}).invoke(
            main, ["record", "a man", "--model", tiny_model, *FEW, *arguments], catch_exceptions=False
        )
        assert result.exit_code == 0, result.output
    return folder / "library"


@pytest.fixture
def recorded(recordings: Path, folder: Path) -> Library:
    """A copy of `recordings` as the default library."""
    shutil.copytree(recordings, folder / "library")
    return Library(folder / "library")


@pytest.fixture(scope="session")
def recorded_glasses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with `first` and `second`: glasses that the embedded model wears at seeds 1 and 2."""
    folder = tmp_path_factory.mktemp("glasses")
    for name, seed in (("first", "1"), ("second", "2")):
        arguments = ["--seed", seed, "--name", name, "--no-preview", "--library", str(folder / "library")]
        CliRunner(env={"SEGA_VEC_CACHE": str(folder / "cache")}).invoke(
            main, ["record", "a cartoon of a woman", "--concept", "glasses", *arguments], catch_exceptions=False
        )
    return folder / "library"


@pytest.fixture
def glasses(recorded_glasses: Path, folder: Path) -> Library:
    """A copy of `recorded_glasses` as the default library."""
    shutil.copytree(recorded_glasses, folder / "library")
    return Library(folder / "library")
