"""Where the libraries' errors become the command's messages and exit statuses."""

import errno
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click

from sega_cli.printing.terminal import clean

_REMEDIES = {
    errno.ENOSPC: "free some space, or choose another place with --output or --library",
    errno.EDQUOT: "free some of your quota, or choose another place with --output or --library",
    errno.EFBIG: "a file may not grow so large here: raise the limit, or choose another place",
    errno.EACCES: "choose a place that you may use with --output or --library",
    errno.EPERM: "choose a place that you may use with --output or --library",
    errno.EROFS: "the file system is read-only: choose another place with --output or --library",
    errno.ENOTDIR: "a file stands where a folder is needed: choose another place",
    errno.EEXIST: "a file stands where a folder is needed: choose another place",
}


class Failure(click.ClickException):
    """A command that could not do its work; the message says the rule, the value met and the remedy."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__("\n".join(clean(line) for line in message.splitlines()))


class InvalidUsage(Failure):
    """A value on the command line that a library refused."""

    exit_code = 2


class Incompatible(Failure):
    """Vectors and a run, or vectors among themselves, don't belong together."""

    exit_code = 4


class Interrupted(Failure):
    """Ctrl-C."""

    exit_code = 130


@contextmanager
def click_errors() -> Iterator[None]:
    """Turn errors that a user can act on into `Failure`; others are bugs and keep their traceback."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit):
        raise
    except (KeyboardInterrupt, click.Abort) as error:
        raise Interrupted("interrupted; what was finished is kept") from error
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of our output has gone: click ends quietly
            raise
        raise Failure(_explain(error)) from error
    except Exception as error:
        kind = _kind(error)
        if kind is None and _is_models(error):
            raise Failure(
                "the model failed as it ran, as one does whose parts don't fit each other:"
                f" {type(error).__name__}: {next(iter(str(error).splitlines()), '')}; choose another with --model"
            ) from error
        if kind is None:
            raise
        raise kind(str(error)) from error


def _kind(error: Exception) -> type[Failure] | None:
    """The failure that an error becomes; None for a bug."""
    if type(error).__name__ == "OutOfMemoryError":  # torch's class, known by its name to avoid importing torch
        return Failure
    from sega_store import IncompatibleError, InvalidInputError, SegaError

    if isinstance(error, IncompatibleError):
        return Incompatible
    if isinstance(error, InvalidInputError):
        return InvalidUsage
    return Failure if isinstance(error, SegaError) else None


def _is_models(error: Exception) -> bool:
    """Whether it is the model's libraries that raised it, and not this project's code, which they may have called."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    for frame in reversed(frames):
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package in ("diffusers", "transformers"):
            return True
        if package.startswith("sega_") and frame.f_code.co_name != "__torch_function__":  # that one only looks on
            return False
    return False


def _explain(error: OSError) -> str:
    """The system's message, with the file and what to do."""
    where = f"{error.filename}: " if error.filename else ""
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{where}{error.strerror or error}" + (f"; {remedy}" if remedy else "")
