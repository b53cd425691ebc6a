"""Brings a catalogue up to date with the folders of its library.

A folder's modification time changes with every name that appears in it or goes, vectors are immutable and annotations
are replaced; so only folders whose time has changed are read again. One that changed in the last two seconds counts as
changed, for file systems count time in steps; so does one with a file that couldn't be read, for the disk may have
failed for a moment. What is wrong with a file's content is noted once, for to find it may take a while. What shares two
first digits is one transaction: a reader sees all of it or nothing, and other writers get their turn.
"""

import os
import random
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from sega_store.errors import VectorFileError
from sega_store.files.header import VectorHeader, read_header
from sega_store.places import layout
from sega_store.records.annotation import NOTHING_SAID, Annotation, read_annotation
from sega_store.records.entry import Entry

SETTLED_NS = 2_000_000_000
UNSETTLED = -1  # the time of no folder; 0 is that of many an unpacked one
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


def refresh(db: sqlite3.Connection, root: Path, step: Callable[[], object] = lambda: None) -> None:
    """Reads the folders that have changed since the last time; calls `step` after each new vector."""
    now = time.time_ns()
    known = dict(db.execute("SELECT path, mtime_ns FROM folders"))
    present = {
        f"{kind}/{folder.name}": folder.stat().st_mtime_ns
        for kind in (layout.VECTORS, layout.ANNOTATIONS)
        for folder in layout.folders(root, kind)
    }
    stale = [path for path in known.keys() | present.keys() if known.get(path) != present.get(path)]
    for digits in sorted({path[-2:] for path in stale}):
        db.execute("BEGIN IMMEDIATE")
        unread = {
            f"{layout.VECTORS}/{digits}": _read_vectors(db, root / layout.VECTORS / digits, step),
            f"{layout.ANNOTATIONS}/{digits}": _read_annotations(db, root / layout.ANNOTATIONS / digits),
        }
        for path in [path for path in stale if path[-2:] == digits]:
            if path in present:
                settled = UNSETTLED if unread[path] or present[path] >= now - SETTLED_NS else present[path]
                if known.get(path) != settled:  # nothing is written, and nothing synced, for nothing
                    db.execute("INSERT OR REPLACE INTO folders VALUES (?, ?)", (path, settled))
            else:
                db.execute("DELETE FROM folders WHERE path = ?", (path,))
        db.execute("COMMIT")


def _read_vectors(db: sqlite3.Connection, folder: Path, step: Callable[[], object]) -> bool:
    """Lists the vectors of a folder; whether a file of it couldn't be read."""
    unread = False
    files = layout.vectors_in(folder)
    listed = {row[0] for row in db.execute("SELECT id FROM vectors WHERE id >= ? AND id < ?", _range(folder.name))}
    _forget_damage(db, folder)
    for identity in listed - files.keys():
        drop_row(db, identity)
    for identity in files.keys() - listed:
        try:
            header, size = read_header(files[identity])
            if header.id != identity:
                raise VectorFileError(files[identity].path, f"its name isn't its id, {header.id}")
            put_row(db, entry_of(header, size))
        except VectorFileError as error:
            _note_damage(db, error)
            unread |= isinstance(error.__cause__, OSError)
        step()
    return unread


def _read_annotations(db: sqlite3.Connection, folder: Path) -> bool:
    """Lists the annotations of a folder; as `_read_vectors`."""
    unread = False
    files = layout.annotations_in(folder)
    states = {identity: _state(file) for identity, file in files.items()}
    _forget_damage(db, folder)
    query = "SELECT id, annotated FROM vectors WHERE id >= ? AND id < ?"
    for identity, annotated in db.execute(query, _range(folder.name)).fetchall():
        state = states.get(identity, "")
        if state == annotated:
            continue
        annotation = NOTHING_SAID
        try:
            if state:
                annotation = read_annotation(Path(files[identity]))
        except VectorFileError as error:
            _note_damage(db, error)
            unread |= isinstance(error.__cause__, OSError)
            state = "damaged"
        annotate_row(db, identity, annotation, state)
    return unread


def _state(file: os.DirEntry[str]) -> str:
    """Changes when the file is replaced; empty if it was removed just now."""
    try:
        return f"{file.inode()} {file.stat().st_mtime_ns}"
    except FileNotFoundError:
        return ""


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

    There are 16 for a microsecond; where a recording's is taken, it gets another in a window that doubles.
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
    """Lists a vector no more."""
    db.execute(_UNINDEX, (identity,))
    db.execute(_UNTAG, (identity,))
    db.execute("DELETE FROM vectors WHERE id = ?", (identity,))


def _range(prefix: str) -> tuple[str, str]:
    return prefix, f"{prefix}g"  # g follows f, the last digit


def _forget_damage(db: sqlite3.Connection, folder: Path) -> None:
    start = f"{folder}{os.sep}"
    db.execute("DELETE FROM damaged WHERE substr(path, 1, ?) = ?", (len(start), start))


def _note_damage(db: sqlite3.Connection, error: VectorFileError) -> None:
    if Path(error.file).exists():  # else it was removed just now
        db.execute("INSERT OR REPLACE INTO damaged VALUES (?, ?)", (error.file, error.problem))
