"""Writes the help texts into docs/cli.md: `python tests/cli/reference.py`. A test checks that they are up to date."""

import os
import re
from pathlib import Path

from click.testing import CliRunner

from sega_cli.main import COMMANDS, main

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
_BLOCK = re.compile(r"(?<=<!-- help: )(sega-vec[a-z -]*)( -->\n```text\n).*?(?=```\n)", re.DOTALL)


def help_of(line: str) -> str:
    """What a command line with `--help` prints, at a width of 80."""
    runner = CliRunner(env={name: None for name in os.environ if name.startswith("SEGA_VEC_")})
    arguments = [*line.split()[1:], "--help"]
    result = runner.invoke(main, arguments, prog_name="sega-vec", terminal_width=80, catch_exceptions=False)
    return result.output


def updated(page: str) -> str:
    """The page with every help block as the command now prints it."""
    return _BLOCK.sub(lambda match: f"{match[1]}{match[2]}{help_of(match[1])}", page)


def documented(page: str) -> set[str]:
    """The command lines whose help the page shows."""
    return {match[1] for match in _BLOCK.finditer(page)}


EXPECTED = {"sega-vec", *(f"sega-vec {name}" for name in COMMANDS)}

if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
