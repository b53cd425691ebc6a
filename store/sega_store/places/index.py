"""What keeps a library's catalogue in step with its files."""

import sqlite3
from collections.abc import Callable, Mapping
from types import EllipsisType
from typing import Protocol, TypeVar

from sega_store.records.entry import Entry

Changes = Mapping[str, Entry | EllipsisType | None]  # what became of ids: a row, None: removed, ...: held already

_T = TypeVar("_T")


class Listing(Protocol):
    """What an index needs of the catalogue, whose every question first calls `Index.refresh`."""

    def ask(self, question: Callable[[sqlite3.Connection], _T], fresh: bool = True) -> _T:
        """Answers from the catalogue: the up-to-date one, or with `fresh` False as of the last question."""

    def uses(self, noise: str) -> bool:
        """Whether a vector was recorded from a noise, given its hash, or may have been."""

    def refresh(self, step: Callable[[], object]) -> None:
        """Brings it up to date; calls `step` after each new vector."""

    def discard(self) -> None:
        """Throws it away; the next question builds it again."""


class Index(Protocol):
    """Knows which files there are. Every method raises `LibraryError` with a remedy if the place can't be used."""

    def refresh(self, db: sqlite3.Connection, step: Callable[[], object]) -> None:
        """Brings a catalogue up to date; `step` is called after every vector that is new to it."""

    def announce(self, listing: Listing, changes: Changes) -> None:
        """Lets all catalogues know what became of vectors, where they can't see it by themselves."""

    def rebuild(self, listing: Listing, step: Callable[[], object]) -> None:
        """Builds the catalogue again from the files; `step` is called after every vector."""

    def remove(self, listing: Listing, entry: Entry) -> None:
        """Removes a vector, what is said of it, and its noise if no other vector needs it."""

    def clean(self, listing: Listing) -> None:
        """Removes what killed processes left, if it is old enough."""
