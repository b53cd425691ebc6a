"""What a library needs of the place where its files are: bytes by key (see `sega_store.places.layout`)."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from sega_store.files.regular_file import CheckSize

_T = TypeVar("_T")


class Files(Protocol):
    """The files of a library. Every method raises `LibraryError` with a remedy if the place can't be used."""

    where: str
    """The path or URL, for people."""

    @property
    def identity(self) -> str:
        """One text for each place."""

    def locate(self, key: str) -> Path | str:
        """The path or URL of a file."""

    def read(self, key: str, check_size: CheckSize) -> bytes:
        """A file's bytes; an `InvalidInputError` if it is missing, no plain file, or of a wrong size."""

    def beginning(self, key: str, limit: int) -> tuple[bytes, int]:
        """So many bytes of a file's beginning, and its size; errors as of `read`."""

    def load(self, key: str, check_size: CheckSize, parse: Callable[[bytes], _T]) -> _T:
        """What `parse` makes of a file, perhaps of a local copy; what is wrong with it is a `VectorFileError`."""

    def exists(self, key: str) -> bool:
        """Whether there is anything of that name."""

    def publish(self, key: str, data: bytes) -> bool:
        """Makes a file appear, whole and durable, unless it is there already; whether it is new."""

    def replace(self, key: str, data: bytes) -> None:
        """Writes a file that may be there already: a reader sees the old bytes or the new ones."""

    def take_out(self, key: str, folder: Path, keep: bool) -> Path:
        """Moves a file to a folder on disk, over nothing that is there, or copies it to `keep` it; where it is now."""

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys of a library's files that begin with a kind and a slash, and perhaps more; in their order."""
