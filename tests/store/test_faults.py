"""A disk that fails: a clear error, nothing lost, and the next attempt works."""

import errno
import os
from itertools import count
from pathlib import Path
from typing import NoReturn

import pytest

from sega_store import SegaError, UnknownRefError

from . import operations
from .faulty import striking


@pytest.mark.parametrize("stride", [9, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", operations.OPERATIONS)
def test_a_fault_at_a_call(name: str, stride: int, tmp_path: Path) -> None:
    def fail() -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    operation = operations.OPERATIONS[name]
    before, after, files = operations.references(tmp_path, operation)
    for at in count(0, stride):
        library = operations.copy(tmp_path, str(at))
        error: SegaError | None = None
        with striking(at, fail, looks=True) as calls:
            try:
                operation.run(library)
            except SegaError as met:
                error = met
        if len(calls) <= at:
            return
        if not isinstance(error, UnknownRefError | None):  # a vector that can't be read for a moment isn't listed
            assert os.strerror(errno.EIO) in str(error)
        operations.check(operations.state(library), before, after)
        operations.check_end(library, operation, after, files)
