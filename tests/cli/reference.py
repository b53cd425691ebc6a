"""Writes the help texts and the table of edit parameters into docs/cli.md: `python tests/cli/reference.py`.

A test checks that they are up to date.
"""

import os
import re
from pathlib import Path

from click.testing import CliRunner

from sega_cli.main import COMMANDS, main
from sega_store.records.edit_parameters import EDIT_PARAMETERS

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
_BLOCK = re.compile(r"(?<=<!-- help: )(sega-vec[a-z -]*)( -->\n```text\n).*?(?=```\n)", re.DOTALL)
_TABLE = re.compile(r"(?<=<!-- edit parameters -->\n\n).*?(?=\n\n)", re.DOTALL)


def help_of(line: str) -> str:
    """What a command line with `--help` prints, at a width of 80."""
    runner = CliRunner(env={name: None for name in os.environ if name.startswith("SEGA_VEC_")})
    arguments = [*line.split()[1:], "--help"]
    result = runner.invoke(main, arguments, prog_name="sega-vec", terminal_width=80, catch_exceptions=False)
    return result.output


def updated(page: str) -> str:
    """The page with the table as it now is, and every help block as the command now prints it."""
    page = _TABLE.sub(lambda _: table(), page)
    return _BLOCK.sub(lambda match: f"{match[1]}{match[2]}{help_of(match[1])}", page)


def table() -> str:
    """The edit parameters as a table in Markdown."""
    lines = ["| Option | Symbol | Values | Default | Given when | What it does |", "|---|---|---|---|---|---|"]
    for parameter in EDIT_PARAMETERS:
        values = f"{parameter.kind.__name__} {parameter.range}".strip()
        default = "" if parameter.default is None else str(parameter.default).lower()
        when = "recording, applying" if parameter.applying else "recording"
        cells = (f"`{parameter.option}`", parameter.symbol, values, default, when, parameter.text)
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |"))
    return "\n".join(lines)


def documented(page: str) -> set[str]:
    """The command lines whose help the page shows."""
    return {match[1] for match in _BLOCK.finditer(page)}


EXPECTED = {"sega-vec", *(f"sega-vec {name}" for name in COMMANDS)}

if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
