"""`sega-vec push`: copy vectors to another library."""

from collections.abc import Sequence

import click

from sega_cli.options import LibraryPlace, Place, on_library, open_library
from sega_cli.printing.copy_report import copy_and_report, jobs_option
from sega_cli.printing.report import Report

EXAMPLES = """\b
Examples:
  sega-vec push s3://bucket/name
  sega-vec push backup glasses smile --jobs 2

\b
A library is a folder, or a URL such as s3://bucket/name. Every file is checked before it is written. Whatever the
target already holds stays as it is, so the same command resumes an interrupted push. A name that would hide another
vector there is left out."""


@click.command("push", epilog=EXAMPLES)
@click.argument("other", type=LibraryPlace())
@click.argument("refs", metavar="[REF]...", nargs=-1)
@jobs_option
@on_library
def command(other: Place, refs: Sequence[str], jobs: int, library: Place, report: Report) -> None:
    """Copy vectors to the library OTHER.

    Copies the vectors REF, or all of them, with their noises, names, tags, ratings and notes.
    """
    copy_and_report(open_library(library), open_library(other), refs, jobs, report)
