"""The rows of a catalogue, one for each vector: how they are made, listed, changed and read."""

import random
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from sega_store.files.header import VectorHeader
from sega_store.records.annotation import NOTHING_SAID, Annotation
from sega_store.records.entry import Entry

COLUMNS = "id, name, concept, prompt, model, seed, noise, shape, dtype, nnz, bytes, created, tags, rating, notes"
NO_LIMIT = -1

_MICROSECOND = timedelta(microseconds=1)
_INSERT = """
    INSERT INTO vectors (number, id, concept, prompt, model, seed, noise, shape, dtype, nnz, bytes, created)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_ANNOTATE = "UPDATE vectors SET name = ?, tags = ?, rating = ?, notes = ?, annotated = ? WHERE id = ?"
_INDEX = """
    INSERT INTO texts (rowid, concept, prompt, name, model, tags, notes)
    SELECT number, concept, prompt, name, model, tags, notes FROM vectors WHERE id = ?"""
_TAG = "INSERT INTO tags SELECT ?, number FROM vectors WHERE id = ?"
_UNTAG = "DELETE FROM tags WHERE number = (SELECT number FROM vectors WHERE id = ?)"
_UNINDEX = "DELETE FROM texts WHERE rowid = (SELECT number FROM vectors WHERE id = ?)"


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


def entry_of(header: VectorHeader, size: int, said: Annotation = NOTHING_SAID) -> Entry:
    """The row of a vector: what its header says of it, the size of its file, and what people say."""
    facts = header.provenance
    return Entry(
        header.id, said.name, header.concept.text, facts.run.prompt, facts.model.id, facts.noise.seed,
        facts.noise.sha256, header.shape[0], header.shape, header.dtype, header.nnz, size, facts.created,
        said.tags, said.rating, said.notes,
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


def put_row(db: sqlite3.Connection, entry: Entry) -> None:
    """Lists a vector that isn't listed, without what people say of it."""
    seed = None if entry.seed is None else str(entry.seed)  # it may need more than SQLite's 64 bits
    row = (
        _number(db, entry), entry.id, entry.concept, entry.prompt, entry.model, seed, entry.noise,
        " ".join(map(str, entry.shape)), entry.dtype, entry.nnz, entry.bytes, entry.created,
    )  # fmt: skip
    db.execute(_INSERT, row)
    db.execute(_INDEX, (entry.id,))


def annotate_row(db: sqlite3.Connection, identity: str, said: Annotation, state: str) -> None:
    """Lists what people say of a vector that is listed; `state` changes with the annotation's file."""
    db.execute(_UNINDEX, (identity,))
    db.execute(_ANNOTATE, (said.name, "\n".join(said.tags), said.rating, said.notes, state, identity))
    db.execute(_UNTAG, (identity,))
    db.executemany(_TAG, [(tag, identity) for tag in said.tags])
    db.execute(_INDEX, (identity,))


def drop_row(db: sqlite3.Connection, identity: str) -> None:
    """Takes a vector off the list."""
    db.execute(_UNINDEX, (identity,))
    db.execute(_UNTAG, (identity,))
    db.execute("DELETE FROM vectors WHERE id = ?", (identity,))


def _entry(row: sqlite3.Row) -> Entry:
    facts = {key: row[key] for key in row.keys()}  # noqa: SIM118 - iterating over a Row gives its values
    facts["seed"] = None if row["seed"] is None else int(row["seed"])
    facts["shape"] = tuple(map(int, row["shape"].split()))
    facts["tags"] = tuple(row["tags"].split("\n")) if row["tags"] else ()
    return Entry(**facts, steps=facts["shape"][0])
