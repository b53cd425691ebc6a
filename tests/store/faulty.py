"""The file layer, struck at its n-th call: by a fault of the disk, or by the death of the process."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHANGES = ("fsync", "link", "mkdir", "rename", "replace", "unlink")
LOOKS = ("listdir", "lstat", "open", "scandir", "stat")


@contextmanager
def striking(at: int, strike: Callable[[], object], looks: bool = False) -> Iterator[list[str]]:
    """Calls `strike` instead of, or in the middle of, one call that a library makes to the disk.

    Args:
        at: The number of the call, from 0.
        strike: Raises, or ends the process.
        looks: Whether calls that only read count, too.

    Returns:
        The names of the calls until now.
    """
    calls: list[str] = []

    def is_struck(name: str) -> bool:
        calls.append(name)
        return len(calls) - 1 == at

    def struck(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any, **kwargs: Any) -> Any:
            if is_struck(name):
                strike()
            return call(*args, **kwargs)

        return instead

    class File(io.FileIO):
        def write(self, data: Any) -> int:
            if is_struck("write"):
                super().write(data[: len(data) // 2])
                strike()
            return super().write(data)

    open_file = io.open

    def open_counted(path: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        writes = mode in ("xb", "wb")
        if (writes or looks) and is_struck(f"open {mode}"):
            strike()
        return File(path, mode) if writes else open_file(path, mode, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        for name in CHANGES + (LOOKS if looks else ()):
            patch.setattr(os, name, struck(name, getattr(os, name)))
        patch.setattr(io, "open", open_counted)
        yield calls
