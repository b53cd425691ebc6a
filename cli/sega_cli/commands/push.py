"""`sega-vec push`: copy vectors to another library."""

from collections.abc import Sequence

import click

from sega_cli.options import LibraryPlace, Place, on_library, open_library
from sega_cli.printing.copy_report import copy_and_report, jobs_option
from sega_cli.printing.report import Report
from sega_cli.selection import Conditions, chosen, selection_options

EXAMPLES = """\b
Examples:
  sega-vec push s3://bucket/name
  sega-vec push backup glasses smile --jobs 2
  sega-vec push backup --concept glasses --seed 21

\b
A library is a folder, or a URL such as s3://bucket/name. Every file is checked before it is written. Whatever the
target already holds stays as it is, so the same command resumes an interrupted push. A name that would hide another
vector there is left out. - stands for REFs on standard input, one a line."""


@click.command("push", epilog=EXAMPLES)
@click.argument("other", type=LibraryPlace())
@click.argument("refs", metavar="[REF]...", nargs=-1)
@selection_options
@jobs_option
@on_library
def command(
    other: Place, refs: Sequence[str], conditions: Conditions, jobs: int, library: Place, report: Report
) -> None:
    """Copy vectors to the library OTHER.

    Copies the vectors REF, or all, that meet the conditions, with their noises, names, tags, ratings and notes.
    """
    source = open_library(library)
    source.check_exists()
    copy_and_report(source, open_library(other), chosen(source, refs, conditions), jobs, report)
