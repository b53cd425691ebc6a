"""Rows for people: a table on a terminal, columns separated by tabs elsewhere."""

from collections.abc import Collection, Iterable, Sequence

from sega_cli.printing.report import Report


def print_rows(
    report: Report,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: Collection[str] = (),
    shortened: Collection[str] = (),
) -> None:
    """Print rows, if lines for people are wanted.

    Args:
        columns: The columns' titles, which only a terminal shows.
        rows: Texts without control characters, one for each column.
        right: The columns that are aligned to the right.
        shortened: The columns whose texts may be cut on a narrow terminal.
    """
    if not report.plain:
        return
    if not report.terminal:
        for row in rows:
            report.item("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            column,
            justify="right" if column in right else "left",
            overflow="ellipsis" if column in shortened else "fold",
            no_wrap=True,
        )
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)
