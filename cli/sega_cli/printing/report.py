"""Where a command's results go: one JSON document, bare ids, or lines for people."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import click

from sega_cli.printing.terminal import clean, escape

_PRINTED_AT_ONCE = 1 << 16  # characters


class Streamed(list[object]):
    """A list in a JSON document whose items are made as they are printed, so that they never are in memory together."""

    def __init__(self, items: Iterator[object]) -> None:
        first = [*islice(items, 1)]
        super().__init__(first)  # for JSON's writer asks whether it is empty
        self._items = chain(first, items)

    def __iter__(self) -> Iterator[object]:
        return self._items


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
        return sys.stdout is not None and sys.stdout.isatty()

    @property
    def bars(self) -> bool:
        """Whether progress bars are wanted: standard error is a terminal, and --quiet isn't given."""
        return not self.quiet and sys.stderr is not None and sys.stderr.isatty()

    @contextmanager
    def progress(self, unit: str, total: int | None = None, **settings: Any) -> Iterator[Callable[..., object]]:
        """A progress bar, if bars are wanted, as the function to call when `unit`s are done; settings are tqdm's."""
        if not self.bars:
            yield lambda count=1: None
            return
        from tqdm import tqdm

        with tqdm(total=total, unit=unit, **settings) as bar:
            yield bar.update

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
        """Print all results as one document, if --json was given; a path becomes its text."""
        if self.json:
            import json
            from os import fspath

            ascii_only = "utf" not in str(getattr(sys.stdout, "encoding", "")).lower()  # its escapes are the same text
            encoder = json.JSONEncoder(indent=2, ensure_ascii=ascii_only, allow_nan=False, default=fspath)
            parts, length = [], 0
            for part in encoder.iterencode(document):
                parts.append(part)
                length += len(part)
                if length > _PRINTED_AT_ONCE:
                    click.echo(escape("".join(parts)), nl=False)
                    parts, length = [], 0
            click.echo(escape("".join(parts)))

    @contextmanager
    def answer(self, document: Mapping[str, object]) -> Iterator[None]:
        """Print `document`, which is filled meanwhile, when the block ends. If it fails or is interrupted, that is what
        was done until then, with `complete` false."""
        try:
            yield
        except BaseException:
            self.document({**document, "complete": False})
            raise
        self.document(document)
