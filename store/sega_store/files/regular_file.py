"""Regular files, read within limits: a pipe, a folder or a file too large is refused before it is read."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from sega_store.errors import InvalidInputError

CheckSize = Callable[[bytes, int], None]
"""Raises `InvalidInputError` for a file that isn't to be read, given the first `HEAD_BYTES` of it and its size."""


def at_most(max_bytes: int) -> CheckSize:
    """Refuses larger files."""

    def check_size(head: bytes, size: int) -> None:
        if size > max_bytes:
            raise InvalidInputError(f"it has {size} bytes, more than the limit of {max_bytes}")

    return check_size


def read_regular(path: str | os.PathLike[str], max_bytes: int, limit: int | None = None) -> tuple[bytes, int]:
    """The beginning of a regular file, and its size.

    Args:
        path: The file.
        max_bytes: Refuse a larger file, before anything is read.
        limit: Read no more than that; None: the whole.

    Raises:
        InvalidInputError: It can't be read, isn't a regular file, or is too large.
    """
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):  # before opening, for a pipe would block
            raise InvalidInputError("it isn't a regular file")
        with Path(path).open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size > max_bytes:
                raise InvalidInputError(f"it has {size} bytes, more than the limit of {max_bytes}")
            wanted = size if limit is None else min(size, limit)
            return file.read(wanted), size
    except OSError as error:
        raise InvalidInputError(f"it can't be read: {error.strerror or error}") from error
