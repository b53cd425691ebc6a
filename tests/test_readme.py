"""The README's main job runs as it stands there, by command line and by Python."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), flags=re.MULTILINE | re.DOTALL)


def test_the_two_commands_come_first() -> None:
    assert blocks("sh")[0].splitlines() == [
        "make demo   # records, applies and measures; writes a picture to demo/",
        "make test   # ruff, mypy and the tests",
    ]


def test_the_command_line_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGA_VEC_LIBRARY", str(tmp_path / "library"))
    lines = [line for block in blocks("sh") for line in block.replace("\\\n", "").splitlines()]
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith("sega-vec ")]
    assert [command[1] for command in commands] == ["record", "apply", "record", "apply", "ls", "show"]
    for command in commands:
        executable = str(Path(sys.executable).with_name("sega-vec"))
        done = subprocess.run([executable, *command[1:]], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stderr)
    assert len(list(tmp_path.rglob("*.png"))) == 2 + 2, "the drawing of seed 21 is held already"


def test_what_pip_installs_is_this_project() -> None:
    project = tomllib.loads((README.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    commands = [
        shlex.split(line, comments=True) for line in "".join(blocks("sh")).splitlines() if "pip install" in line
    ]
    given = [words[-1] for words in commands]
    wheel = f"sega_vectors-{project['version']}-py3-none-any.whl"
    assert given[0] == wheel
    extras = set()
    for requirement in given:
        bare, _, extra = requirement.partition(" @ ")[0].rstrip("]").partition("[")
        assert bare in (wheel, project["name"])
        extras |= {*filter(None, extra.split(","))}
    assert extras == {*project["optional-dependencies"]} - {"dev", "slow"}


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    exec(compile(code, str(README), "exec"), {})
    assert (tmp_path / "queen.png").is_file()


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)", README.read_text())
    missing = [t for t in targets if not t.startswith("http") and not (README.parent / t).exists()]
    assert targets
    assert not missing
