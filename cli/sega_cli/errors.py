"""Where the libraries' errors become the command's messages and exit statuses."""

import errno
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click

from sega_cli.printing.terminal import clean

USAGE, DAMAGE_FOUND, INCOMPATIBLE, INTERRUPTED = 2, 3, 4, 130  # exit statuses other than 1

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

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__("\n".join(clean(line) for line in message.splitlines()))
        self.exit_code = exit_code  # type: ignore[misc]  # click declares it for the class, and asks the instance


@contextmanager
def click_errors() -> Iterator[None]:
    """Turn errors that a user can act on into `Failure`; others are bugs and keep their traceback."""
    try:
        yield
    except (KeyboardInterrupt, click.Abort) as error:
        raise Failure("interrupted; what was finished is kept", INTERRUPTED) from error
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of our output has gone: click ends quietly
            raise
        where = f"{error.filename}: " if error.filename else ""
        remedy = _REMEDIES.get(error.errno or 0)
        raise Failure(f"{where}{error.strerror or error}" + (f"; {remedy}" if remedy else "")) from error
    except Exception as error:
        from sega_store import AmbiguousRefError, IncompatibleError, InvalidInputError, SegaError

        known = isinstance(error, SegaError) or type(error).__name__ == "OutOfMemoryError"  # torch's, not imported here
        if not known and _is_models(error):
            raise Failure(
                "the model failed as it ran, as one does whose parts don't fit each other:"
                f" {type(error).__name__}: {next(iter(str(error).splitlines()), '')}; choose another with --model"
            ) from error
        if not known:
            raise
        codes = {IncompatibleError: INCOMPATIBLE, InvalidInputError: USAGE}
        found = (code for kind, code in codes.items() if isinstance(error, kind))
        more = "\n(--seed tells a concept's vectors apart)" if isinstance(error, AmbiguousRefError) else ""
        raise Failure(f"{error}{more}", next(found, 1)) from error


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
