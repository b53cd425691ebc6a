"""Every example of a help text runs, on the embedded model with few steps."""

import json
import shlex
from importlib import import_module
from pathlib import Path

import click
import pytest

from sega_cli.main import COMMANDS, EPILOG
from tests.cli.conftest import SegaVec
from tests.store.servers import Proxy, make_bucket
from tests.vectors.study.plans import small_plan


def examples(epilog: str | None) -> list[str]:
    """The command lines among the examples of a help text."""
    return [line.strip() for line in (epilog or "").splitlines() if line.strip().startswith("sega-vec ")]


def command(name: str) -> click.Command:
    found: click.Command = import_module(f"sega_cli.commands.{name}").command
    return found


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few steps and noises, from the environment."""
    monkeypatch.setenv("SEGA_VEC_RECORD_STEPS", "2")
    monkeypatch.setenv("SEGA_VEC_DEMO_STEPS", "2")
    monkeypatch.setenv("SEGA_VEC_DEMO_SEED", "1,2")
    monkeypatch.setenv("SEGA_VEC_TUNE_TO_PROMPT", "a cartoon of a king")


@pytest.fixture
def small(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small plan of few noises for `study`, from the environment and where an example looks for it."""
    plan = folder / "study" / "plan.json"
    plan.parent.mkdir()
    plan.write_text(json.dumps(small_plan(tried=2).to_json()), encoding="utf-8")
    monkeypatch.setenv("SEGA_VEC_STUDY_PLAN", str(plan))


def example(line: str) -> object:
    """An example as a test's parameter; one that makes a whole study is slow, though the study be small."""
    return pytest.param(line, marks=pytest.mark.slow) if "study --plan" in line else line


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_ends_with_examples(name: str) -> None:
    lines = examples(command(name).epilog)
    assert lines
    assert all(line.rpartition(" | ")[2].startswith(f"sega-vec {name}") for line in lines)


ENDLESS = [line for line in examples(command("browse").epilog) if "--export" not in line]  # tests/cli/browse serves


@pytest.mark.parametrize(
    "line",
    [example(line) for name in COMMANDS for line in examples(command(name).epilog) if line not in ENDLESS],
)
@pytest.mark.usefixtures("short", "small")
def test_the_examples_of_commands_work(line: str, sega_vec: SegaVec, folder: Path, s3: Proxy) -> None:
    first, *others = [shlex.split(part)[1:] for part in line.split(" | ")]
    if "s3://bucket" in line:
        make_bucket(s3.url, "bucket")
    if first[0] not in ("record", "study", "demo"):
        sega_vec("record", "a portrait of a man", "--concept", "glasses", "--concept", "smile", "--seed", "21")
    if first[0] == "import":
        sega_vec("export", first[1])
    if first[0] == "pull":
        sega_vec("push", first[1])
    result = sega_vec(*first, input="y\n")
    for arguments in others:
        result = sega_vec(*arguments, input=result.stdout)


@pytest.mark.usefixtures("short")
def test_the_examples_of_the_group_work_in_their_order(sega_vec: SegaVec) -> None:
    demo, *others = examples(EPILOG)
    assert demo in examples(command("demo").epilog), "so it is tested above"
    for line in others:
        sega_vec(*shlex.split(line)[1:])
