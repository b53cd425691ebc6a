"""The catalogue: an index of a library's files in SQLite, one per machine, in the user's cache folder.

It is a cache and nothing more; where it can't be kept, each question makes one in memory. Every question first brings
it up to date with the library's files, so it never knows more or less than they do; deleted, corrupt or of an older
version it is built again by itself. Connections live for one question: that makes a `Library` free to cross threads and
processes, and costs 0.1 ms.
"""

import hashlib
import os
import re
import secrets
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from sega_store.errors import LibraryError, VectorFileError
from sega_store.library.selection import (
    AFTER_ALL_DIGITS,
    ALL,
    GROUPS,
    MONTH,
    RANK,
    Group,
    Selection,
    counting,
    facets,
    groups,
    page,
    total,
)
from sega_store.places.cache import cache_folder
from sega_store.places.disk import ABANDONED_SECONDS, library_errors
from sega_store.places.index import Changes, Index
from sega_store.places.layout import SUFFIX
from sega_store.places.rows import select
from sega_store.records import rules
from sega_store.records.entry import Entry

SCHEMA_VERSION = 5
PAGE = 200
BUSY_SECONDS = 60
BUSY_PAUSE_SECONDS = 0.01
ATTEMPTS = 5  # several processes that meet a broken catalogue may throw away what another has just begun

_SCHEMA = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = OFF",
    "BEGIN",
    "CREATE TABLE folders (path TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE vectors (
        number INTEGER PRIMARY KEY,  -- grows with the time of the recording, see refresh
        id TEXT NOT NULL UNIQUE, concept TEXT, prompt TEXT, model TEXT, seed TEXT,
        noise TEXT, shape TEXT, dtype TEXT, nnz INTEGER, bytes INTEGER, created TEXT,
        name TEXT, tags TEXT NOT NULL DEFAULT '', rating INTEGER, notes TEXT NOT NULL DEFAULT '',
        annotated TEXT NOT NULL DEFAULT '')""",
    "CREATE INDEX by_concept ON vectors (concept)",  # an index ends with the number, so its rows are in order too
    "CREATE INDEX by_model ON vectors (model)",
    "CREATE INDEX by_model_and_concept ON vectors (model, concept)",
    "CREATE INDEX by_noise ON vectors (noise)",
    "CREATE INDEX by_name ON vectors (name) WHERE name IS NOT NULL",
    f"CREATE INDEX by_month ON vectors ({MONTH})",
    f"CREATE INDEX by_rank ON vectors ({RANK})",
    "CREATE INDEX by_rating ON vectors (rating) WHERE rating IS NOT NULL",
    "CREATE TABLE tags (tag TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (tag, number)) WITHOUT ROWID",
    "CREATE INDEX tags_of ON tags (number)",
    """CREATE VIRTUAL TABLE texts USING fts5 (
        concept, prompt, name, model, tags, notes, tokenize = "unicode61 remove_diacritics 2",
        prefix = '1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16')""",
    "CREATE TABLE damaged (path TEXT PRIMARY KEY, problem TEXT NOT NULL) WITHOUT ROWID",
    # how many vectors each group has and which is the newest: to count them all would grow with the library
    """CREATE TABLE counts (kind TEXT, value, count INTEGER NOT NULL, newest INTEGER NOT NULL,
        PRIMARY KEY (kind, value)) WITHOUT ROWID""",
    "CREATE INDEX by_count ON counts (kind, count, newest)",
    *(trigger for kind in GROUPS for trigger in counting(kind)),
    f"PRAGMA user_version = {SCHEMA_VERSION}",
    "COMMIT",
)
MIN_PREFIX = 4
ID_PREFIX = re.compile(rf"[0-9a-f]{{{MIN_PREFIX},64}}|[0-9a-f]{{64}}\.[0-9a-f]{{0,64}}")

_FILE = "catalogue.sqlite"
_CURRENT = "current"
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_NOT_BROKEN = {*_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}

_T = TypeVar("_T")


class Catalogue:
    """Questions about the files of a library.

    Args:
        place: Where the library is; each place has a catalogue.
        index: Brings the catalogue up to date with the library's files.

    Attributes:
        folder: Where the catalogue is.

    Every method raises `LibraryError` if the catalogue can't be read or built.
    """

    def __init__(self, place: str, index: Index) -> None:
        self._place, self._index = place, index
        key = hashlib.sha256(os.fsencode(place)).hexdigest()[:16]
        self.folder = cache_folder() / "catalogues" / key

    def ids(self) -> list[str]:
        """All ids, newest first."""
        return self.ask(lambda db: [row[0] for row in db.execute("SELECT id FROM vectors ORDER BY number DESC")])

    def lookup(self, ref: str) -> list[Entry]:
        """What a REF names, newest first: the vectors of a name, else of a concept, else with a beginning of the id."""
        ways = _ways(ref)
        return self.ask(lambda db: next((found for where, values in ways if (found := select(db, where, values))), []))

    def entries(self, ids: Sequence[str]) -> dict[str, Entry]:
        """The rows of some ids, as far as they are listed."""
        return {entry.id: entry for entry in self.ask(lambda db: _select_among(db, "id", ids))}

    def owners(self, names: Mapping[str, str]) -> dict[str, str]:
        """Whose some names are already, as a name, a concept or the beginning of an id, so that they would hide it.

        Args:
            names: The names, each with the id of the vector that is to have it.

        Returns:
            The names that are another vector's, each with the id of one.
        """

        def question(db: sqlite3.Connection) -> dict[str, str]:
            ways = ((name, "(" + where + ") AND id != ?", values) for name in names for where, values in _ways(name))
            found = ((name, select(db, where, [*values, names[name]], 1)) for name, where, values in ways)
            return {name: entry.id for name, entries in found for entry in entries}

        return self.ask(question)

    def hidden(self, ids: Sequence[str]) -> dict[str, str]:
        """Those of some vectors that a REF of their concept, or of digits of their id, doesn't find, since that is the
        name of another vector; each with the name."""

        def question(db: sqlite3.Connection) -> dict[str, str]:
            digits = [str(e.name) for e in select(db, "name >= '0' AND name < 'g'") if ID_PREFIX.fullmatch(str(e.name))]
            found: dict[str, str] = {}
            for entry in _select_among(db, "id", ids):
                named = [entry.concept] if select(db, "name = ? AND id != ?", (entry.concept, entry.id), 1) else []
                named += [name for name in digits if entry.id.startswith(name) and name != entry.name]
                if named:
                    found[entry.id] = named[0]
            return found

        return self.ask(question)

    def uses(self, noise: str) -> bool:
        """Whether a vector was recorded from the noise with a hash, or may have been, since it can't be read."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM vectors WHERE noise = ?) OR EXISTS (SELECT 1 FROM damaged WHERE path LIKE ?)"
        )
        return bool(self.ask(lambda db: db.execute(query, (noise, f"%{SUFFIX}")).fetchone()[0]))

    def words(self) -> list[str]:
        """All names and concepts, each once."""
        query = "SELECT name FROM vectors WHERE name IS NOT NULL UNION SELECT concept FROM vectors"
        return self.ask(lambda db: [row[0] for row in db.execute(query)])

    def neighbours(self, identity: str) -> list[str]:
        """The ids before and after an id in their order, where there are any; as of the last question."""
        query = "SELECT max(id) FROM vectors WHERE id < :id UNION ALL SELECT min(id) FROM vectors WHERE id > :id"
        found = self.ask(lambda db: db.execute(query, {"id": identity}).fetchall(), fresh=False)
        return [neighbour for (neighbour,) in found if neighbour is not None]

    def page(
        self, selection: Selection = ALL, sort: str = "newest", after: str | None = None, limit: int | None = None
    ) -> list[Entry]:
        """Lists the vectors of a selection, in parts; opens no file but new ones.

        Args:
            selection: Which.
            sort: `newest`, `oldest`, `rating` (the best first, those without last) or `concept` (alphabetical).
            after: The id of the last vector of the part before; None for the first part.
            limit: At most so many.

        Raises:
            InvalidInputError: The order is unknown.
        """
        return self.ask(lambda db: page(db, selection, sort, after, limit))

    def each(self, selection: Selection = ALL, limit: int | None = None) -> Iterator[Entry]:
        """The vectors of a selection, newest first, at most `limit`, a page at a time, so that any number takes little
        memory."""
        part = self.page(selection, limit=_least(PAGE, limit))
        while part:
            yield from part
            limit = None if limit is None else limit - len(part)
            part = self.page(selection, after=part[-1].id, limit=_least(PAGE, limit))

    def total(self, selection: Selection = ALL) -> int:
        """The number of vectors of a selection."""
        return self.ask(lambda db: total(db, selection))

    def groups(self, selection: Selection, by: str, limit: int | None = None, offset: int = 0) -> list[Group]:
        """What the vectors of a selection have in common, and how many have it.

        Args:
            selection: Which vectors.
            by: `concept`, `model`, `noise` or `tag`, the largest group first; `month` of the recording, the newest
                first; or `rating`, the best first. Vectors without a tag or rating are in no group of these.
            limit: At most so many groups.
            offset: How many groups are passed over.

        Raises:
            InvalidInputError: There are no groups by that.
        """
        return self.ask(lambda db: groups(db, selection, by, limit, offset))

    def facets(self, selection: Selection = ALL, limit: int | None = None) -> dict[str, list[Group]]:
        """What a selection could be narrowed or changed to: for each way to group, the groups of the same selection
        without its own condition of that kind; at most `limit` of each. They are counted among the newest 10,000,
        unless of the whole library."""
        return self.ask(lambda db: facets(db, selection, limit))

    def refresh(self, step: Callable[[], object] = lambda: None) -> None:
        """Lists what has changed since the last time, as every question does by itself; called to show the progress of
        the first: `step` is called after each vector that is new to the catalogue.
        """
        self.ask(lambda db: self._index.refresh(db, step), fresh=False)

    def announce(self, changes: Changes) -> None:
        """Lets every reader of the library know what became of vectors; for those who write its files."""
        self._index.announce(self, changes)

    def rebuild(self, step: Callable[[], object] = lambda: None) -> None:
        """Builds the catalogue again from the files themselves; `step` is called after every vector."""
        self._index.rebuild(self, step)

    def damaged(self) -> list[VectorFileError]:
        """What is wrong with files, as far as a listing reads them; opening a vector checks every byte."""
        query = "SELECT path, problem FROM damaged ORDER BY path"
        return self.ask(lambda db: [VectorFileError(path, problem) for path, problem in db.execute(query)])

    def ask(self, question: Callable[[sqlite3.Connection], _T], fresh: bool = True) -> _T:
        """Answers from the catalogue: the up-to-date one, or with `fresh` False as of the last question.

        A broken one is thrown away and built again.
        """
        deadline = time.monotonic() + BUSY_SECONDS
        broken = 0
        while True:
            generation = self._current()
            try:
                generation = generation or self._create()
                with library_errors(f"Listing {self._place}"), _connection(generation / _FILE) as db:
                    if fresh:
                        self._index.refresh(db, lambda: None)
                    return question(db)
            except (sqlite3.Error, OSError) as error:
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                if code in _BUSY and time.monotonic() < deadline:
                    time.sleep(BUSY_PAUSE_SECONDS)  # SQLite itself doesn't wait for every kind of lock
                    continue
                if code in _BUSY:
                    raise self._error(error) from error
                broken += 1
                if broken == ATTEMPTS or code in _NOT_BROKEN:
                    return self._ask_in_memory(question, error)
                if generation is not None:
                    self._discard(generation)

    def _ask_in_memory(self, question: Callable[[sqlite3.Connection], _T], reason: OSError | sqlite3.Error) -> _T:
        """Answers from a catalogue made for this question alone, where there is no room for one or it can't be
        written: slower, but a library on a full disk is listed, and vectors can be removed."""
        try:
            with library_errors(f"Listing {self._place}"), closing(_created(":memory:")) as db:
                self._index.refresh(db, lambda: None)
                return question(db)
        except sqlite3.Error:
            raise self._error(reason) from reason

    def discard(self) -> None:
        """Throws the catalogue away; the next question builds it again."""
        if (generation := self._current()) is not None:
            self._discard(generation)

    def _current(self) -> Path | None:
        """The folder of the catalogue in use."""
        try:
            return self.folder / (self.folder / _CURRENT).readlink()
        except OSError:
            return None

    def _create(self) -> Path:
        """Makes an empty catalogue under a name of its own, then has all use it, unless another was faster.

        SQLite finds a catalogue's journal by its path, so a new one never takes the path of an old one, which others
        may still have open.
        """
        generation = self.folder / secrets.token_hex(8)
        try:
            generation.mkdir(parents=True)
            _created(generation / _FILE).close()
            with suppress(FileExistsError):
                (self.folder / _CURRENT).symlink_to(generation.name)
        except (sqlite3.Error, OSError):
            shutil.rmtree(generation, ignore_errors=True)
            raise
        current = self._current() or generation
        with suppress(OSError):
            for other in {*self.folder.iterdir()} - {current, self.folder / _CURRENT}:
                # this one, if another was faster, and those of processes that were killed
                if other == generation or other.stat().st_ctime < time.time() - ABANDONED_SECONDS:
                    shutil.rmtree(other, ignore_errors=True)
        return current

    def _discard(self, generation: Path) -> None:
        if self._current() == generation:
            with suppress(OSError):  # another was faster, or it can't be, as the next attempt will say
                (self.folder / _CURRENT).unlink()
        shutil.rmtree(generation, ignore_errors=True)

    def _error(self, error: OSError | sqlite3.Error) -> LibraryError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _BUSY:
            remedy = "Try again when the other processes have listed the library."
        else:
            remedy = "Set SEGA_VEC_CACHE to a folder that can be written, or delete this one."
        return LibraryError(
            f"The catalogue in {self.folder} can't be used: {error}. {remedy} It holds nothing but an index."
        )


def _created(path: Path | str) -> sqlite3.Connection:
    """An empty catalogue, open."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        for statement in _SCHEMA:
            db.execute(statement)
    except sqlite3.Error:
        db.close()
        raise
    return db


@contextmanager
def _connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", BUSY_SECONDS, isolation_level=None, uri=True)) as db:
        db.execute("PRAGMA synchronous = NORMAL")  # a loss of power must not leave one that is silently incomplete
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"it is of version {version}, not {SCHEMA_VERSION}")
        yield db


def _least(page: int, limit: int | None) -> int:
    return page if limit is None else min(page, limit)


def _ways(ref: str) -> list[tuple[str, list[str]]]:
    """The ways to understand a REF, the first that finds something first: conditions and their values."""
    composed = rules.composed(ref)
    ways = [("name = ?", [composed]), ("concept = ?", [composed])]
    if ID_PREFIX.fullmatch(ref.lower()):
        ways.append(("id >= ? AND id < ?", [ref.lower(), ref.lower() + AFTER_ALL_DIGITS]))
    return ways


def _select_among(db: sqlite3.Connection, column: str, values: Sequence[str]) -> list[Entry]:
    parts = [values[start : start + 500] for start in range(0, len(values), 500)]
    return [entry for part in parts for entry in select(db, f"{column} IN ({', '.join('?' * len(part))})", part)]
