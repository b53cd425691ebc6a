"""The catalogue: an index of a library's files in SQLite, one per machine, in the user's cache folder.

It is a cache and nothing more. Every question first brings it up to date with the folders on disk, so it never knows
more or less than they do; deleted, corrupt or of an older version it is built again by itself. Connections live for one
question: that makes a `Library` free to cross threads and processes, and costs 0.1 ms.
"""

import hashlib
import os
import re
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from sega_store.disk import library_errors
from sega_store.entry import Entry
from sega_store.errors import LibraryError, VectorFileError
from sega_store.refresh import refresh

SCHEMA_VERSION = 2
BUSY_SECONDS = 60

_SCHEMA = (
    "CREATE TABLE folders (path TEXT PRIMARY KEY, mtime_ns INTEGER NOT NULL) WITHOUT ROWID",
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
    """CREATE VIRTUAL TABLE texts USING fts5 (
        concept, prompt, name, model, tags, notes, tokenize = "unicode61 remove_diacritics 2",
        prefix = '1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16')""",
    "CREATE TABLE damaged (path TEXT PRIMARY KEY, problem TEXT NOT NULL) WITHOUT ROWID",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
_COLUMNS = "id, name, concept, prompt, model, seed, noise, shape, dtype, nnz, bytes, created, tags, rating, notes"
MIN_PREFIX = 4
ID_PREFIX = re.compile(rf"[0-9a-f]{{{MIN_PREFIX},64}}|[0-9a-f]{{64}}\.[0-9a-f]{{0,64}}")
_MATCHING = "(SELECT rowid AS hit FROM texts WHERE texts MATCH ?) CROSS JOIN vectors ON number = hit"
_AFTER_ALL_DIGITS = "g"  # sorts after every text that goes on from a prefix with a hexadecimal digit or a dot

_T = TypeVar("_T")


def cache_folder() -> Path:
    """Where catalogues are kept: SEGA_VEC_CACHE, or the user's cache folder."""
    override = os.environ.get("SEGA_VEC_CACHE")
    if override:
        return Path(override).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("sega-vectors"))


class Catalogue:
    """Questions about the files in a library's folder.

    Attributes:
        root: The library's folder, without symbolic links.
        folder: Where its catalogue is.

    Every method raises `LibraryError` if the catalogue can't be read or built.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        key = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        self.folder = cache_folder() / "catalogues" / key

    def count(self) -> int:
        """The number of vectors."""
        return int(self._ask(lambda db: db.execute("SELECT count(*) FROM vectors").fetchone()[0]))

    def ids(self) -> list[str]:
        """All ids, newest first."""
        return self._ids("SELECT id FROM vectors")

    def lookup(self, ref: str) -> list[Entry]:
        """What a REF names, newest first: the vectors of a name, else of a concept, else with a beginning of the id."""
        ways = [("name = ?", [ref]), ("concept = ?", [ref])]
        if ID_PREFIX.fullmatch(ref.lower()):
            ways.append(("id >= ? AND id < ?", [ref.lower(), ref.lower() + _AFTER_ALL_DIGITS]))

        def ask(db: sqlite3.Connection) -> list[Entry]:
            return next((found for where, values in ways if (found := _select(db, where, values))), [])

        return self._ask(ask)

    def named(self, name: str) -> list[str]:
        """The ids of the vectors with a name."""
        return self._ids("SELECT id FROM vectors WHERE name = ?", name)

    def uses(self, noise: str) -> bool:
        """Whether a vector was recorded from a noise, given its hash."""
        return bool(self._ids("SELECT id FROM vectors WHERE noise = ?", noise))

    def words(self) -> list[str]:
        """All names and concepts, each once."""
        query = "SELECT name FROM vectors WHERE name IS NOT NULL UNION SELECT concept FROM vectors"
        return self._ask(lambda db: [row[0] for row in db.execute(query)])

    def neighbours(self, identity: str) -> list[str]:
        """The ids before and after one in the order of ids, as far as they are; as of the last question."""
        before = "SELECT max(id) FROM vectors WHERE id < ?"
        after = "SELECT min(id) FROM vectors WHERE id > ?"

        def ask(db: sqlite3.Connection) -> list[str]:
            found = [db.execute(query, (identity,)).fetchone()[0] for query in (before, after)]
            return [neighbour for neighbour in found if neighbour is not None]

        return self._ask(ask, fresh=False)

    def search(
        self, query: str, concept: str | None, model: str | None, noise: str | None, limit: int | None
    ) -> list[Entry]:
        """Rows, newest first; see `Library.search`."""
        where, values = ["1"], list[str]()
        texts = {column: text for column, text in (("concept", concept), ("model", model)) if text is not None}
        for column, text in texts.items():
            where.append(f"{column} = ?")
            values.append(text)
        if noise is not None and len(noise) == 64:
            where.append("noise = ?")
            values.append(noise.lower())
        elif noise is not None:
            where.append("noise >= ? AND noise < ?")
            values += [noise.lower(), noise.lower() + _AFTER_ALL_DIGITS]
        if not query.strip():
            return self._ask(lambda db: _select(db, " AND ".join(where), values, limit))
        values.insert(0, _match(query, texts))
        return self._ask(lambda db: _select(db, " AND ".join(where), values, limit, _MATCHING, "hit"))

    def refresh(self, step: Callable[[], object]) -> None:
        """Brings it up to date, as every question does first; calls `step` after each vector that is new to it."""
        self._ask(lambda db: refresh(db, self.root, step), fresh=False)

    def damaged(self) -> list[VectorFileError]:
        """What was found wrong with files while listing them."""
        query = "SELECT path, problem FROM damaged ORDER BY path"
        return self._ask(lambda db: [VectorFileError(path, problem) for path, problem in db.execute(query)])

    def _ids(self, query: str, *values: str) -> list[str]:
        return self._ask(lambda db: [row[0] for row in db.execute(f"{query} ORDER BY number DESC", values)])

    def _ask(self, question: Callable[[sqlite3.Connection], _T], fresh: bool = True) -> _T:
        """Answers from the up-to-date catalogue; a broken one is thrown away and built again, once."""
        for attempt in range(2):
            try:
                with self._connection() as db:
                    if fresh:
                        refresh(db, self.root)
                    return question(db)
            except sqlite3.Error as error:
                busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if attempt or busy:
                    raise LibraryError(
                        f"The catalogue in {self.folder} can't be used: {error}. Delete that folder, or set "
                        "SEGA_VEC_CACHE to a writable one; it holds nothing but an index."
                    ) from error
                self._discard()
        raise AssertionError("the second attempt returns or raises")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with library_errors(f"Making the catalogue's folder {self.folder}"):
            self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "catalogue.sqlite"
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = OFF")  # a crash of the machine may cost the cache
            if _version(db) != SCHEMA_VERSION:
                _create(db)
            yield db

    def _discard(self) -> None:
        """Renamed first, so that nobody sees a catalogue without its journal."""
        with library_errors(f"Discarding the broken catalogue {self.folder}"):
            aside = self.folder.with_name(f".{secrets.token_hex(8)}.discarded")
            try:
                self.folder.replace(aside)
            except FileNotFoundError:
                return
            shutil.rmtree(aside, ignore_errors=True)


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _create(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    if _version(db) != SCHEMA_VERSION:  # nobody was faster
        for statement in _SCHEMA:
            db.execute(statement)
    db.execute("COMMIT")


def _match(query: str, texts: Mapping[str, str]) -> str:
    """A user's text as an FTS5 expression: rows with a word that starts with each of its words.

    And with the words of the columns that are asked for, so that few rows are left to be compared with them.
    """
    words = [f'"{word}"*' for word in _words(query)] or ['""']
    words += [f'{column} : "{word}"' for column, text in texts.items() for word in _words(text)]
    return " AND ".join(words)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text)


def _select(
    db: sqlite3.Connection,
    where: str,
    values: Sequence[str],
    limit: int | None = None,
    source: str = "vectors",
    number: str = "number",
) -> list[Entry]:
    """Rows of a source, newest first, by its own column of numbers: so SQLite sorts nothing and stops at the limit."""
    db.row_factory = sqlite3.Row
    sql = f"SELECT {_COLUMNS} FROM {source} WHERE {where} ORDER BY {number} DESC LIMIT ?"
    return [_entry(row) for row in db.execute(sql, (*values, -1 if limit is None else limit))]


def _entry(row: sqlite3.Row) -> Entry:
    facts = {key: row[key] for key in row.keys()}  # noqa: SIM118 - iterating over a Row gives its values
    facts["seed"] = None if row["seed"] is None else int(row["seed"])
    facts["shape"] = tuple(map(int, row["shape"].split()))
    facts["tags"] = tuple(row["tags"].split("\n")) if row["tags"] else ()
    return Entry(**facts, steps=facts["shape"][0])
