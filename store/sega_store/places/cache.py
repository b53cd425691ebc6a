"""Local copies of an object store's immutable files.

A copy is kept only after its bytes have passed the checks, and is checked again whenever it is used, so a damaged one
is just fetched again. Each library has copies of its own: another library may hold the same numbers with other facts
that only describe, and must not put those into this one.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from sega_store.files.regular_file import user_path

DEFAULT_MAX_BYTES = 4 << 30
_CHECKS = 64  # of the size, until as much as the limit has been written


def cache_folder() -> Path:
    """Where catalogues and copies are kept: SEGA_VEC_CACHE, or the user's cache folder."""
    override = os.environ.get("SEGA_VEC_CACHE")
    if override:
        return user_path(override)
    import platformdirs

    return Path(platformdirs.user_cache_dir("sega-vectors"))


class Cache:
    """Files in a folder, bounded in size: those that were used longest ago go first.

    A fault of the disk costs the copy and nothing else.

    Attributes:
        folder: Where they are.
        max_bytes: The most that they may take: SEGA_VEC_CACHE_BYTES, or 4 GiB.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        setting = os.environ.get("SEGA_VEC_CACHE_BYTES", "")
        self.max_bytes = int(setting) if setting.isdecimal() else DEFAULT_MAX_BYTES
        self._unchecked = self.max_bytes  # bytes written since the size was looked at: look at it the first time

    def get(self, key: str) -> bytes | None:
        """The copy of a file, if there is one."""
        path = self.folder / key
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return data

    def put(self, key: str, data: bytes) -> None:
        """Keeps a copy."""
        path = self.folder / key
        temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            return
        self._unchecked += len(data)
        if self._unchecked * _CHECKS >= self.max_bytes:
            self._unchecked = 0
            self._shrink()

    def discard(self, key: str) -> None:
        """Drops a copy."""
        with suppress(OSError):
            (self.folder / key).unlink()

    def _shrink(self) -> None:
        files: list[tuple[float, int, Path]] = []
        for path in self.folder.rglob("*.*"):
            with suppress(OSError):
                facts = path.stat()
                if path.is_file():
                    files.append((facts.st_mtime, facts.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self.max_bytes:
                return
            with suppress(OSError):
                path.unlink()
                total -= size
