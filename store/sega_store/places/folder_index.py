"""Brings a catalogue up to date with the folders of its library.

A folder's times change with every name that appears in it or goes from it, vectors are immutable and annotations are
replaced; so only folders whose state has changed are read again. Copies restore modification times (`rsync -a`), so the
state holds the time of the last change of status too, which nothing restores, and the folder's number. A folder that
changed in the last two seconds counts as changed, for file systems count time in steps; so does one with a file that
couldn't be read, for the disk may have failed for a moment. A fault in a file's content is noted once, since finding it
may take a while. All that shares its first two digits is one transaction: a reader sees all of it or nothing, and other
writers get their turn.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from sega_store.errors import VectorFileError
from sega_store.files.header import read_header
from sega_store.places import disk, layout, leftovers, removal
from sega_store.places.annotations import read_annotation
from sega_store.places.index import Changes, Listing
from sega_store.places.rows import annotate_row, drop_row, entry_of, put_row
from sega_store.records.annotation import NOTHING_SAID
from sega_store.records.entry import Entry

SETTLED_NS = 2_000_000_000
UNSETTLED = ""  # the state of no folder


class FolderIndex:
    """The index of a library's folder; a missing one is an empty library."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def refresh(self, db: sqlite3.Connection, step: Callable[[], object]) -> None:
        """Reads the folders that have changed since the last time; calls `step` after each new vector."""
        root = self._root.resolve()
        now = time.time_ns()
        known = dict(db.execute("SELECT path, state FROM folders"))
        facts = {
            f"{kind}/{folder.name}": folder.stat()
            for kind in (layout.VECTORS, layout.ANNOTATIONS)
            for folder in layout.folders(root, kind)
        }
        present = {path: _state(stat) for path, stat in facts.items()}
        recent = {path for path, stat in facts.items() if max(stat.st_mtime_ns, stat.st_ctime_ns) >= now - SETTLED_NS}
        stale = [path for path in known.keys() | present.keys() if known.get(path) != present.get(path)]
        for digits in sorted({path[-2:] for path in stale}):
            db.execute("BEGIN IMMEDIATE")
            unread = {
                f"{layout.VECTORS}/{digits}": _read_vectors(db, root / layout.VECTORS / digits, step),
                f"{layout.ANNOTATIONS}/{digits}": _read_annotations(db, root / layout.ANNOTATIONS / digits),
            }
            for path in [path for path in stale if path[-2:] == digits]:
                if path in present:
                    settled = UNSETTLED if unread[path] or path in recent else present[path]
                    if known.get(path) != settled:  # no needless write or sync
                        db.execute("INSERT OR REPLACE INTO folders VALUES (?, ?)", (path, settled))
                else:
                    db.execute("DELETE FROM folders WHERE path = ?", (path,))
            db.execute("COMMIT")

    def announce(self, listing: Listing, changes: Changes) -> None:
        """Nothing: every catalogue sees the folders themselves."""

    def rebuild(self, listing: Listing, step: Callable[[], object]) -> None:
        """Throws the local catalogue away, and lists all folders."""
        listing.discard()
        listing.refresh(step)

    def remove(self, listing: Listing, entry: Entry) -> None:
        """See `sega_store.places.removal`."""
        with disk.library_errors(f"Removing {entry.id}"):
            removal.remove(self._root, listing, entry.id, entry.noise)

    def clean(self, listing: Listing) -> None:
        """See `sega_store.places.leftovers`; the next question reads all folders again, whatever their times say."""
        leftovers.clean(self._root, listing)
        listing.ask(lambda db: db.execute("UPDATE folders SET state = ?", (UNSETTLED,)), fresh=False)


def _read_vectors(db: sqlite3.Connection, folder: Path, step: Callable[[], object]) -> bool:
    """Lists the vectors of a folder; whether a file of it couldn't be read."""
    unread = False
    files = layout.files_in(folder, layout.VECTORS)
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
    files = layout.files_in(folder, layout.ANNOTATIONS)
    states = {identity: _state_of(file) for identity, file in files.items()}
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


def _state(stat: os.stat_result) -> str:
    """Changes with what is in a folder, and when a file is replaced."""
    return f"{stat.st_ino} {stat.st_mtime_ns} {stat.st_ctime_ns}"


def _state_of(file: os.DirEntry[str]) -> str:
    """A file's state; empty if it was removed just now."""
    try:
        return _state(file.stat(follow_symlinks=False))
    except FileNotFoundError:
        return ""


def _range(prefix: str) -> tuple[str, str]:
    return prefix, f"{prefix}g"  # g follows f, the last digit


def _forget_damage(db: sqlite3.Connection, folder: Path) -> None:
    start = f"{folder}{os.sep}"
    db.execute("DELETE FROM damaged WHERE substr(path, 1, ?) = ?", (len(start), start))


def _note_damage(db: sqlite3.Connection, error: VectorFileError) -> None:
    if os.path.lexists(error.file):  # else it was removed just now
        db.execute("INSERT OR REPLACE INTO damaged VALUES (?, ?)", (error.file, error.problem))
