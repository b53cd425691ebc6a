"""Where a command's results go: one JSON document, bare ids, or lines for people."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

import click

from sega_cli.printing.terminal import clean, escape


@dataclass(frozen=True)
class Report:
    """The printer of one command.

    Attributes:
        json: Standard output carries one JSON document and nothing else.
        quiet: Standard output carries ids or paths only; standard error carries errors only.
    """

    json: bool = False
    quiet: bool = False

    @property
    def plain(self) -> bool:
        """Whether lines for people are wanted."""
        return not (self.json or self.quiet)

    @property
    def terminal(self) -> bool:
        """Whether standard output is a terminal."""
        return sys.stdout.isatty()

    @property
    def bars(self) -> bool:
        """Whether progress bars are wanted: standard error is a terminal, and --quiet isn't given."""
        return not self.quiet and sys.stderr.isatty()

    def item(self, text: str, bare: str | None = None) -> None:
        """Print one result: `text` for people, `bare` (an id or a path, if any) with --quiet, nothing with --json."""
        if self.json:
            return
        if not self.quiet:
            click.echo(text)
        elif bare is not None:
            click.echo(clean(bare) if self.terminal else bare)  # a program wants a path as it is

    def note(self, text: str) -> None:
        """Print a remark beside the results, on standard error."""
        if not self.quiet:
            click.echo(text, err=True)

    def document(self, document: Mapping[str, object]) -> None:
        """Print all results at once, if --json was given."""
        if self.json:
            import json

            click.echo(escape(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)))
