"""The README's main job runs as it stands there, by command line and by Python."""

import re
import shlex
import subprocess
import sys
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
    assert [command[1] for command in commands] == ["record", "apply", "ls", "show"]
    for command in commands:
        executable = str(Path(sys.executable).with_name("sega-vec"))
        done = subprocess.run([executable, *command[1:]], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stderr)
    assert list(tmp_path.rglob("*.png"))


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
