"""The group: lazy imports, exit statuses, environment."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sega_cli.main import COMMANDS
from sega_store import Library
from tests.cli.conftest import SegaVec

HEAVY = ("torch", "diffusers", "transformers")


def loaded(*arguments: str) -> set[str]:
    """The modules that a fresh process has imported when the command is done."""
    code = (
        "import sys, json, contextlib, io\n"
        "from sega_cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main({list(arguments)!r})\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(json.loads(output))


@pytest.mark.parametrize("arguments", [["--help"], *[[name, "--help"] for name in COMMANDS]])
def test_help_imports_click_and_the_table_of_edit_parameters_alone(arguments: list[str]) -> None:
    modules = loaded(*arguments)
    packages = {name.partition(".")[0] for name in modules}
    assert packages.isdisjoint({*HEAVY, "numpy", "rich", "sega_vectors", "PIL", "platformdirs", "sqlite3"})
    store = {name for name in modules if name.partition(".")[0] == "sega_store"}
    assert store <= {
        "sega_store",
        "sega_store.errors",
        *(f"sega_store.records{m}" for m in ("", ".edit_parameters", ".rules")),
    }


@pytest.mark.parametrize("arguments", [["ls"], ["show", "glasses"], ["rm", "smile", "--yes"]])
def test_looking_at_a_library_never_imports_torch(arguments: list[str], library: Library) -> None:
    assert loaded(*arguments).isdisjoint({*HEAVY, "sega_vectors", "rich"})


def test_exit_statuses(sega_vec: SegaVec, library: Library) -> None:
    sega_vec("ls")
    sega_vec("show", "unknown", exit_code=1)
    assert "Usage:" in sega_vec("frobnicate", exit_code=2).stderr
    assert "Usage:" in sega_vec("ls", "--limit", "0", exit_code=2).stderr


def test_options_come_from_the_environment(
    sega_vec: SegaVec, library: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEGA_VEC_LS_LIMIT", "1")
    monkeypatch.setenv("SEGA_VEC_LS_QUIET", "1")
    assert len(sega_vec("ls").stdout.split()) == 1
    monkeypatch.setenv("SEGA_VEC_LIBRARY", str(tmp_path / "elsewhere"))
    assert sega_vec("ls").stdout == ""
    monkeypatch.setenv("SEGA_VEC_LS_LIMIT", "none")
    sega_vec("ls", exit_code=2)


def test_several_texts_in_one_variable_stand_on_lines(sega_vec: SegaVec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGA_VEC_RECORD_CONCEPT", "red hair\nsmile")
    monkeypatch.setenv("SEGA_VEC_RECORD_EDIT_WEIGHT", "1 2 3")
    assert "3 times for 2 concepts" in sega_vec("record", "a man", exit_code=2).stderr


def test_the_default_library_is_in_the_users_data_folder(
    sega_vec: SegaVec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SEGA_VEC_LIBRARY")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "sega-vectors" in json.loads(sega_vec("ls", "--json").stdout)["library"]


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_colours_on_a_terminal_unless_no_color(library: Library) -> None:
    def on_terminal(*arguments: str, **environment: str) -> str:
        import pty

        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "sega_cli", *arguments],
            stdout=follower,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **environment},
        )
        os.close(follower)
        output = b""
        try:
            while chunk := os.read(leader, 65536):
                output += chunk
        except OSError:
            pass  # Linux says so when the other end is closed
        os.close(leader)
        assert process.wait() == 0
        return output.decode()

    assert "\x1b[38;2;" in on_terminal("show", "glasses")
    assert "\x1b" not in on_terminal("show", "glasses", NO_COLOR="1")
    table = on_terminal("ls")
    assert "concept" in table
    assert "glasses" in table


def test_a_closed_pipe_is_no_error(library: Library) -> None:
    command = f"{sys.executable} -m sega_cli show glasses | head -1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert result.stdout == "glasses\n"
    assert "Traceback" not in result.stderr


def test_a_library_that_is_a_file_is_refused(sega_vec: SegaVec, folder: Path) -> None:
    (folder / "file").write_text("")
    assert "A library is a folder" in sega_vec("ls", "--library", str(folder / "file"), exit_code=1).stderr
