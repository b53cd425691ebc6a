"""Library errors as exit statuses."""

import errno

import click
import pytest

from sega_cli.errors import Failure, click_errors
from sega_store import (
    AmbiguousRefError,
    IncompatibleError,
    InvalidInputError,
    LibraryError,
    PipelineError,
    VectorFileError,
)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidInputError("x"), 2),
        (IncompatibleError("x"), 4),
        (PipelineError("x"), 1),
        (LibraryError("x"), 1),
        (AmbiguousRefError("x", ["a"]), 1),
        (VectorFileError("file", "is damaged"), 1),
        (OSError(errno.ENOSPC, "No space left on device", "/there"), 1),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
    ],
)
def test_each_kind_of_error_has_its_exit_status(error: BaseException, status: int) -> None:
    with pytest.raises(Failure) as caught, click_errors():
        raise error
    assert caught.value.exit_code == status


def test_a_full_disk_says_what_to_do() -> None:
    with pytest.raises(Failure, match=r"/there: No space left on device; free some space"), click_errors():
        raise OSError(errno.ENOSPC, "No space left on device", "/there")


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), click_errors():
        raise ZeroDivisionError


def test_a_closed_pipe_and_usage_errors_are_clicks_business() -> None:
    with pytest.raises(BrokenPipeError), click_errors():
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
    with pytest.raises(click.UsageError), click_errors():
        raise click.UsageError("x")


def test_messages_cannot_command_the_terminal() -> None:
    with pytest.raises(Failure) as caught, click_errors():
        raise LibraryError("two\n  lines \x1b[2J")
    assert caught.value.message == "two\n  lines \ufffd[2J"
