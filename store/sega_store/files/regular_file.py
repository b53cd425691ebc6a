"""Regular files, read within limits: a pipe, a folder or a file too large is refused before it is read."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sega_store.errors import InvalidInputError, VectorFileError
from sega_store.records.json_record import MAX_JSON_BYTES

FIRST_READ_BYTES = 8192
HEAD_BYTES = MAX_JSON_BYTES + FIRST_READ_BYTES  # holds any root, and most files whole
CheckSize = Callable[[bytes, int], None]
"""Raises `InvalidInputError` for a file that isn't to be read, given the first `HEAD_BYTES` of it and its size."""


@contextmanager
def file_errors(name: object) -> Iterator[None]:
    """Says what is wrong with a file as a `VectorFileError` under its path or URL."""
    try:
        yield
    except VectorFileError as error:
        raise VectorFileError(str(name), error.problem) from error.__cause__
    except InvalidInputError as error:
        raise VectorFileError(str(name), str(error)) from error.__cause__


def user_path(path: str | os.PathLike[str]) -> Path:
    """A path in which `~` stands for the user's home folder, and `~name` for that of another.

    Raises:
        InvalidInputError: There is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InvalidInputError(f"There is no home folder for {os.fspath(path)!r}: write the path in full.") from None


def at_most(max_bytes: int) -> CheckSize:
    """Refuses larger files."""

    def check_size(head: bytes, size: int) -> None:
        if size > max_bytes:
            raise InvalidInputError(f"it has {size} bytes, more than the limit of {max_bytes}")

    return check_size


def read_regular(path: str | os.PathLike[str], check_size: CheckSize) -> bytes:
    """A regular file's bytes.

    Raises:
        InvalidInputError: It can't be read, isn't a regular file, or is of a wrong size.
    """
    with _opened(path) as (file, size):
        head = file.read(min(size, HEAD_BYTES))
        check_size(head, size)
        return head if len(head) == size else head + file.read(size - len(head))


def read_beginning(path: str | os.PathLike[str], limit: int) -> tuple[bytes, int]:
    """So many bytes of a regular file, and its size; errors as of `read_regular`."""
    with _opened(path) as (file, size):
        return file.read(min(size, limit)), size


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[BinaryIO, int]]:
    path = user_path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # before opening, for a pipe would block
            raise InvalidInputError("it isn't a regular file")
        with path.open("rb", buffering=0) as file:
            yield file, os.fstat(file.fileno()).st_size
    except OSError as error:
        raise InvalidInputError(f"it can't be read: {error.strerror or error}") from error
