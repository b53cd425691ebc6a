"""The rows of a catalogue, one for each vector: how they are made, listed, changed and read."""

import random
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from sega_store.files.header import VectorHeader
from sega_store.records import rules
from sega_store.records.annotation import Annotation
from sega_store.records.entry import Entry

COLUMNS = "id, name, concept, prompt, model, seed, noise, shape, dtype, nnz, bytes, created, tags, rating, notes"
NO_LIMIT = -1

_MICROSECOND = timedelta(microseconds=1)
_INSERT = f"INSERT INTO vectors (number, annotated, {COLUMNS}) VALUES (?, ?{', ?' * len(COLUMNS.split())})"
_ANNOTATE = "UPDATE vectors SET name = ?, tags = ?, rating = ?, notes = ?, annotated = ? WHERE id = ?"
_INDEX = """
    INSERT INTO texts (rowid, concept, prompt, name, model, tags, notes)
    SELECT number, concept, prompt, name, model, tags, notes FROM vectors WHERE id = ?"""
_UNINDEX = "DELETE FROM texts WHERE rowid = (SELECT number FROM vectors WHERE id = ?)"
_TAG = "INSERT INTO tags SELECT ?, number FROM vectors WHERE id = ?"
_UNTAG = "DELETE FROM tags WHERE number = (SELECT number FROM vectors WHERE id = ?)"


def select(
    db: sqlite3.Connection,
    where: str = "1",
    values: Sequence[object] = (),
    limit: int | None = None,
    source: str = "vectors",
    order: str = "number DESC",
) -> list[Entry]:
    """Rows of a source, newest first unless asked for in another order."""
    cursor = db.cursor()
    cursor.row_factory = sqlite3.Row
    sql = f"SELECT {COLUMNS} FROM {source} WHERE {where} ORDER BY {order} LIMIT ?"
    return [_entry(row) for row in cursor.execute(sql, (*values, NO_LIMIT if limit is None else limit))]


def entry_of(header: VectorHeader, size: int) -> Entry:
    """The row of a vector of which nothing is said: what its header says of it, and the size of its file."""
    facts = header.provenance
    return Entry(
        header.id, None, header.concept.text, facts.run.prompt, facts.model.id, facts.noise.seed,
        facts.noise.sha256, header.shape[0], header.shape, header.dtype, header.nnz, size, facts.created,
        (), None, "",
    )  # fmt: skip


def _number(db: sqlite3.Connection, entry: Entry) -> int:
    """A free number for a row, larger for a newer vector: so the newest are found in any index without sorting.

    There are 16 numbers for a microsecond; if a recording's is taken, it gets another from a window that doubles.
    """
    moment = (datetime.fromisoformat(entry.created).replace(tzinfo=None) - datetime.min) // _MICROSECOND
    chance = random.Random(entry.id)
    window = 16
    while True:
        number = moment * 16 + chance.randrange(window)
        if db.execute("SELECT 1 FROM vectors WHERE number = ?", (number,)).fetchone() is None:
            return number
        window *= 2


def values_of(entry: Entry) -> tuple[str | int | None, ...]:
    """What the columns of `COLUMNS` hold of a row: texts composed, so that they are found however they are spelled;
    a seed may need more than SQLite's 64 bits, so it is a text."""
    return (
        entry.id, _composed(entry.name), rules.composed(entry.concept), rules.composed(entry.prompt),
        rules.composed(entry.model), None if entry.seed is None else str(entry.seed),
        entry.noise, " ".join(map(str, entry.shape)), entry.dtype, entry.nnz, entry.bytes, entry.created,
        "\n".join(map(rules.composed, entry.tags)), entry.rating, rules.composed(entry.notes),
    )  # fmt: skip


def put_row(db: sqlite3.Connection, entry: Entry, state: str = "") -> None:
    """Lists a vector that isn't listed; `state` changes with the file of what people say of it."""
    db.execute(_INSERT, (_number(db, entry), state, *values_of(entry)))
    _index(db, entry.id, entry.tags)


def annotate_row(db: sqlite3.Connection, identity: str, said: Annotation, state: str) -> None:
    """Lists what people say of a vector that is listed; `state` as for `put_row`."""
    _unindex(db, identity)
    tags, notes = "\n".join(map(rules.composed, said.tags)), rules.composed(said.notes)
    db.execute(_ANNOTATE, (_composed(said.name), tags, said.rating, notes, state, identity))
    _index(db, identity, said.tags)


def drop_row(db: sqlite3.Connection, identity: str) -> None:
    """Takes a vector off the list."""
    _unindex(db, identity)
    db.execute("DELETE FROM vectors WHERE id = ?", (identity,))


def _index(db: sqlite3.Connection, identity: str, tags: Sequence[str]) -> None:
    db.executemany(_TAG, [(rules.composed(tag), identity) for tag in tags])
    db.execute(_INDEX, (identity,))


def _composed(name: str | None) -> str | None:
    return None if name is None else rules.composed(name)


def _unindex(db: sqlite3.Connection, identity: str) -> None:
    db.execute(_UNINDEX, (identity,))
    db.execute(_UNTAG, (identity,))


def _entry(row: sqlite3.Row) -> Entry:
    facts = dict(row)
    facts["seed"] = None if row["seed"] is None else int(row["seed"])
    facts["shape"] = tuple(map(int, row["shape"].split()))
    facts["tags"] = tuple(row["tags"].split("\n")) if row["tags"] else ()
    return Entry(**facts, steps=facts["shape"][0])
