"""Questions that a person must agree to."""

import sys

import click


def confirmed(question: str, unanswered: str) -> bool:
    """Whether a person agrees, asked on standard error.

    Args:
        question: What to agree to.
        unanswered: What is said, with the remedy, where nobody can answer.

    Raises:
        click.ClickException: Standard input is closed, or ends without an answer.
        click.Abort: Ctrl-C.
    """
    if sys.stdin is not None:
        try:
            return click.confirm(question, err=True)
        except click.Abort as abort:
            if not isinstance(abort.__context__, EOFError):
                raise
        click.echo(err=True)
    raise click.ClickException(unanswered)
