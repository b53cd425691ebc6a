"""A segment: an immutable object that tells what became of some vectors of a library in an object store.

It is an SQLite file with one table of states. A state has a version, which counts the changes of its vector, so which
of two states is the later one depends on no clock. Segments may come from a stranger: the schema has to be ours to the
letter, the file is never written to, its work is bounded, and each row has to pass the rules of the records. What a
segment claims can mislead a listing only, for opening a vector checks every byte and its id.
"""

import math
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import astuple, dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from sega_store.errors import InvalidInputError
from sega_store.places import layout
from sega_store.places.rows import COLUMNS, values_of
from sega_store.records import rules
from sega_store.records.annotation import Annotation
from sega_store.records.entry import Entry

MAX_SEGMENT_BYTES = 1 << 26
SEGMENT_VERSION = 1

_COLUMNS = ["id", "version", "changed", *COLUMNS.split(", ")[1:]]
_TABLE = (
    "CREATE TABLE states (id TEXT PRIMARY KEY, version INTEGER, changed INTEGER, name TEXT, concept TEXT, prompt TEXT, "
    "model TEXT, seed TEXT, noise TEXT, shape TEXT, dtype TEXT, nnz INTEGER, bytes INTEGER, created TEXT, tags TEXT, "
    "rating INTEGER, notes TEXT) WITHOUT ROWID"
)
_SEED = re.compile(r"[0-9]{1,20}")
_SHAPE = re.compile(r"[1-9][0-9]{0,12}( [1-9][0-9]{0,12}){2,15}")
_CREATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z")
_STEPS = 1000  # of SQLite's machine, between two looks at what a file may cost


@dataclass(frozen=True)
class State:
    """What became of a vector.

    Attributes:
        id: The vector's id.
        version: The number of its changes, from 1.
        changed: When, in microseconds since 1970 by the writer's clock; it tells changes at the same time apart.
        entry: Its row; None if it was removed.
    """

    id: str
    version: int
    changed: int
    entry: Entry | None

    @property
    def order(self) -> tuple[int, bool, int, str]:
        """The later of two states has the greater; of changes at the same time, a removal goes first."""
        return self.version, self.entry is not None, self.changed, repr(self.entry)


def latest(states: Iterable[State]) -> list[State]:
    """The latest state of each vector, in the order of ids."""
    found: dict[str, State] = {}
    for state in states:
        if state.id not in found or found[state.id].order < state.order:
            found[state.id] = state
    return [found[identity] for identity in sorted(found)]


def write_segment(states: Iterable[State]) -> bytes:
    """The segment with the given states, one for each vector."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute(f"PRAGMA user_version = {SEGMENT_VERSION}")
        db.execute(_TABLE)
        db.execute("BEGIN")
        db.executemany(f"INSERT INTO states VALUES ({', '.join('?' * len(_COLUMNS))})", map(_row, states))
        db.execute("COMMIT")
        return db.serialize()


def read_segment(data: bytes) -> list[State]:
    """The states in a segment, which isn't trusted; in the order of ids.

    Raises:
        InvalidInputError: It isn't a segment of this version, or a row breaks a rule.
    """
    if not data:  # SQLite takes it for an empty database, Python for a lack of memory
        raise InvalidInputError("it is empty")
    if len(data) > MAX_SEGMENT_BYTES:
        raise InvalidInputError(f"it has {len(data)} bytes, more than the limit of {MAX_SEGMENT_BYTES}")
    budget = iter(range(100 + len(data) // 100))  # a row takes a hundred bytes and fewer than fifty steps
    try:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
            db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_SEGMENT_BYTES)
            db.deserialize(data)
            db.set_progress_handler(lambda: next(budget, None) is None, _STEPS)
            for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "query_only = ON"):
                db.execute(f"PRAGMA {pragma}")
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version != SEGMENT_VERSION:
                raise InvalidInputError(f"it is a segment of version {version}, this version reads {SEGMENT_VERSION}")
            if db.execute("SELECT type, name, sql FROM sqlite_schema").fetchall() != [("table", "states", _TABLE)]:
                raise InvalidInputError("it is no segment: it holds other tables than a segment's")
            if db.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
                raise InvalidInputError("it is damaged")
            rows = db.execute(f"SELECT {', '.join(_COLUMNS)} FROM states ORDER BY id")
            states = [_state(dict(zip(_COLUMNS, row, strict=True))) for row in rows]
    except (sqlite3.Error, OverflowError, UnicodeError) as error:
        raise InvalidInputError(f"it can't be read as SQLite: {error}") from None
    if any(one.id >= other.id for one, other in pairwise(states)):
        raise InvalidInputError("it is damaged: it names a vector twice")
    return states


def _row(state: State) -> tuple[Any, ...]:
    values = [None] * (len(_COLUMNS) - 3) if state.entry is None else values_of(state.entry)[1:]
    return state.id, state.version, state.changed, *values


def _state(row: dict[str, Any]) -> State:
    identity, version, changed = row.pop("id"), row.pop("version"), row.pop("changed")
    if layout.kind_of(layout.vector_key(_text(identity))) is None:
        raise InvalidInputError(f"{identity!r} is no id")
    rules.integer("version", version, minimum=1)
    rules.integer("changed", changed)
    if all(value is None for value in row.values()):
        return State(identity, version, changed, None)
    seed, shape = row["seed"], _text(row["shape"], _SHAPE)
    said = Annotation(
        row["name"], tuple(_text(row["tags"]).split("\n")) if row["tags"] else (), row["rating"], _text(row["notes"])
    )
    sizes = tuple(map(int, shape.split()))
    entry = Entry(
        identity, said.name, rules.text("concept", row["concept"]), _text(row["prompt"]),
        rules.text("model", row["model"]), rules.seed("seed", None if seed is None else int(_text(seed, _SEED))),
        rules.sha256("noise", row["noise"]), sizes[0], sizes, _text(row["dtype"]), rules.integer("nnz", row["nnz"]),
        rules.integer("bytes", row["bytes"]), _time(row["created"]), said.tags, said.rating, said.notes,
    )  # fmt: skip
    if entry.dtype not in rules.DTYPES or entry.nnz > math.prod(sizes):
        raise InvalidInputError(f"its row of {identity} is {astuple(entry)}")
    return State(identity, version, changed, entry)


def _time(value: Any) -> str:
    text = _text(value, _CREATED)
    with suppress(ValueError):
        datetime.fromisoformat(text)
        return text
    raise InvalidInputError(f"it holds {value!r} where a time is due")


def _text(value: Any, pattern: re.Pattern[str] | None = None) -> str:
    if not isinstance(value, str) or (pattern is not None and not pattern.fullmatch(value)):
        raise InvalidInputError(f"it holds {value!r} where a text of another form is due")
    return value
