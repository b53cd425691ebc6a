"""What touches the disk: publishing a new file, replacing a small one, taking one out.

Publishing: the bytes go to a temporary name in the same folder and are synced, then `os.link` gives them their final
name, which never replaces anything, then the temporary name goes and the folder is synced. Only then is a file
acknowledged. No reader ever sees half a file, and of two writers of the same name one wins. A temporary file that a
killed writer left is removed by the next one in its folder, an hour later.
"""

import errno
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from sega_store.errors import LibraryError, VectorFileError

ABANDONED_SECONDS = 3600
"""The age from which a temporary file is a dead writer's. If its writer is alive after all, that writer fails with an
error."""

_T = TypeVar("_T")
_ON_ITS_WAY = re.compile(r"\.[0-9a-f]{16}\.tmp")
_REMEDIES = {
    errno.ENOSPC: "The disk is full: free some space, or keep the library elsewhere.",
    errno.EDQUOT: "The disk quota is used up: free some space, or keep the library elsewhere.",
    errno.EFBIG: "A file may not grow so large here: raise the limit, or keep the library elsewhere.",
    errno.EIO: "The disk failed: check it, and try again; what was kept before is untouched.",
    errno.EACCES: "Give yourself write permission, or use another library.",
    errno.EPERM: "The folder must be writable, on a file system that knows hard links; or use another library.",
    errno.EROFS: "The file system is read-only: use another library.",
    errno.ENOTDIR: "A library is a folder: remove the file that is in its place, or use another library.",
    errno.ENOTSUP: "Publishing needs a file system that knows hard links: keep the library on another.",
}


@contextmanager
def library_errors(what: str) -> Iterator[None]:
    """Turns faults of the operating system into `LibraryError` with a remedy."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "Check the disk and the permissions.")
        raise LibraryError(f"{what} failed: {error.strerror or error}. {remedy}") from error


def exists(path: Path) -> bool:
    """Whether there is something of that name.

    Raises:
        LibraryError: It can't be told, since the disk fails or the folder may not be looked into.
    """
    with library_errors(f"Looking for {path}"):
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True


def steadily(read: Callable[[], _T]) -> _T:
    """Reads what another process may remove, and add again, just after it was looked for: then it is read again."""
    try:
        return read()
    except VectorFileError:
        return read()


def publish(path: Path, data: bytes) -> bool:
    """Makes a file appear under its final name, whole and durable, unless it is there already; whether it is new.

    Raises:
        LibraryError: The disk is full, the folder isn't writable, and the like. Nothing is left behind, unless only the
            last sync failed: then the file is there, whole, and publishing it again syncs it again.
    """
    with library_errors(f"Writing {path}"):
        make_folder(path.parent)
        new = not path.exists()
        if new:
            with _temporary(path, data) as temporary:
                try:
                    os.link(temporary, path)
                except FileExistsError:
                    new = False
        sync_folder(path.parent)  # also for a file that is there: whoever made it may not have come this far
        return new


def write(path: Path, parts: Iterable[bytes]) -> None:
    """Writes a file of any length where there is none, durably; if that fails, the file is removed.

    Raises:
        OSError: The disk is full, the folder isn't writable, and the like.
    """
    with path.open("xb") as file:
        try:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            path.unlink()
            raise
    sync_folder(path.parent)


def replace(path: Path, data: bytes) -> None:
    """Writes a file that may be there already: a reader sees the old bytes or the new ones.

    Raises:
        LibraryError: As `publish`.
    """
    with library_errors(f"Writing {path}"):
        make_folder(path.parent)
        with _temporary(path, data) as temporary:
            os.replace(temporary, path)
        sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Makes a folder and its parents, durably.

    Whoever puts something into a folder has synced the folder's own name first. In an empty one that may not have
    happened, for its maker may be dead.
    """
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        if any(entries):
            return
    given = folder.is_dir()
    try:
        make_folder(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir()
        sync_folder(folder.parent)
    except PermissionError:  # a library in a folder that others own, who have seen to its name
        if not given:
            raise


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def temporaries_in(folder: Path) -> list[Path]:
    """The files of a folder that have temporary names, of any kind."""
    return [folder / name for name in os.listdir(folder) if name.startswith(".") and name.endswith(".tmp")]


def sweep(folder: Path, now: float) -> None:
    """Removes the files that dead writers had on their way into a folder; what can't be removed stays.

    `now` is the time, in seconds, of the clock that stamps its files.
    """
    for path in temporaries_in(folder):
        with suppress(OSError):
            if _ON_ITS_WAY.fullmatch(path.name) and path.lstat().st_ctime < now - ABANDONED_SECONDS:
                path.unlink()


@contextmanager
def _temporary(path: Path, data: bytes) -> Iterator[Path]:
    """A synced file with the data beside the path; it is gone at the end, whatever happens."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb", buffering=0) as file:
            sweep(path.parent, os.fstat(file.fileno()).st_ctime)
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink()


def free_name(folder: Path, name: str) -> Path:
    """A path in a folder, which is made if needed, where there is nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    return path.with_name(f"{secrets.token_hex(4)}.{name}") if os.path.lexists(path) else path
