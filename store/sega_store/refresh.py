"""Brings a catalogue up to date with the folders of its library.

A folder's modification time changes with every name that appears in it or goes, vectors are immutable and annotations
are replaced; so only folders whose time has changed are read again. One that changed in the last two seconds counts as
changed, for file systems count time in steps. What shares two first digits is one transaction: a reader sees all of it
or nothing, and other writers get their turn.
"""

import os
import random
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from sega_store import layout
from sega_store.annotation import Annotation, read_annotation
from sega_store.errors import VectorFileError
from sega_store.header import VectorHeader, read_header

SETTLED_NS = 2_000_000_000
_MICROSECOND = timedelta(microseconds=1)

_INSERT = """
    INSERT INTO vectors (number, id, concept, prompt, model, seed, noise, shape, dtype, nnz, bytes, created)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_ANNOTATE = "UPDATE vectors SET name = ?, tags = ?, rating = ?, notes = ?, annotated = ? WHERE id = ?"
_INDEX = """
    INSERT INTO texts (rowid, concept, prompt, name, model, tags, notes)
    SELECT number, concept, prompt, name, model, tags, notes FROM vectors WHERE id = ?"""
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
        _read_vectors(db, root / layout.VECTORS / digits, step)
        _read_annotations(db, root / layout.ANNOTATIONS / digits)
        for path in [path for path in stale if path[-2:] == digits]:
            if path in present:
                settled = present[path] < now - SETTLED_NS
                db.execute("INSERT OR REPLACE INTO folders VALUES (?, ?)", (path, present[path] if settled else 0))
            else:
                db.execute("DELETE FROM folders WHERE path = ?", (path,))
        db.execute("COMMIT")


def _read_vectors(db: sqlite3.Connection, folder: Path, step: Callable[[], object]) -> None:
    files = layout.vectors_in(folder)
    listed = {row[0] for row in db.execute("SELECT id FROM vectors WHERE id >= ? AND id < ?", _range(folder.name))}
    _forget_damage(db, folder)
    for identity in listed - files.keys():
        db.execute(_UNINDEX, (identity,))
        db.execute("DELETE FROM vectors WHERE id = ?", (identity,))
    for identity in files.keys() - listed:
        try:
            header, size = read_header(files[identity])
            if header.id != identity:
                raise VectorFileError(files[identity].path, f"its name isn't its id, {header.id}")
            db.execute(_INSERT, (_number(db, identity, header.provenance.created), *_row(header, size)))
            db.execute(_INDEX, (identity,))
        except VectorFileError as error:
            _note_damage(db, error)
        step()


def _read_annotations(db: sqlite3.Connection, folder: Path) -> None:
    files = layout.annotations_in(folder)
    states = {identity: _state(file) for identity, file in files.items()}
    _forget_damage(db, folder)
    query = "SELECT id, annotated FROM vectors WHERE id >= ? AND id < ?"
    for identity, annotated in db.execute(query, _range(folder.name)).fetchall():
        state = states.get(identity, "")
        if state == annotated:
            continue
        annotation = Annotation()
        try:
            if state:
                annotation = read_annotation(Path(files[identity]))
        except VectorFileError as error:
            _note_damage(db, error)
            state = "damaged"
        said = (annotation.name, "\n".join(annotation.tags), annotation.rating, annotation.notes)
        db.execute(_UNINDEX, (identity,))
        db.execute(_ANNOTATE, (*said, state, identity))
        db.execute(_INDEX, (identity,))


def _state(file: os.DirEntry[str]) -> str:
    """Changes when the file is replaced; empty if it was removed just now."""
    try:
        return f"{file.inode()} {file.stat().st_mtime_ns}"
    except FileNotFoundError:
        return ""


def _number(db: sqlite3.Connection, identity: str, created: str) -> int:
    """A free number for a row, larger for a newer vector: so the newest are found in any index without sorting.

    There are 16 for a microsecond; where a recording's is taken, it gets another in a window that doubles.
    """
    moment = (datetime.fromisoformat(created).replace(tzinfo=None) - datetime.min) // _MICROSECOND
    chance = random.Random(identity)
    window = 16
    while True:
        number = moment * 16 + chance.randrange(window)
        if db.execute("SELECT 1 FROM vectors WHERE number = ?", (number,)).fetchone() is None:
            return number
        window *= 2


def _row(header: VectorHeader, size: int) -> tuple[str | int | None, ...]:
    facts = header.provenance
    seed = None if facts.noise.seed is None else str(facts.noise.seed)  # it may need more than SQLite's 64 bits
    shape = " ".join(map(str, header.shape))
    return (
        header.id, header.concept.text, facts.run.prompt, facts.model.id, seed, facts.noise.sha256, shape,
        header.dtype, header.nnz, size, facts.created,
    )  # fmt: skip


def _range(prefix: str) -> tuple[str, str]:
    return prefix, f"{prefix}g"  # g follows f, the last digit


def _forget_damage(db: sqlite3.Connection, folder: Path) -> None:
    start = f"{folder}{os.sep}"
    db.execute("DELETE FROM damaged WHERE substr(path, 1, ?) = ?", (len(start), start))


def _note_damage(db: sqlite3.Connection, error: VectorFileError) -> None:
    if Path(error.file).exists():  # else it was removed just now
        db.execute("INSERT OR REPLACE INTO damaged VALUES (?, ?)", (error.file, error.problem))
