"""The catalogue of a library in an object store, as segments that tell what became of its vectors.

Whoever adds, annotates or removes vectors writes a segment, `catalogue/<level>-<random>.sqlite`. Whoever reads lists
the segments, fetches those that are new to the local catalogue, and merges them into it: of two states of a vector the
later version counts, so it doesn't matter in which order segments are merged, or whether one is merged twice. When
`FAN` segments of a level have come together, their union becomes one segment of the next level, and they are deleted.
The name of the union follows from theirs, so of two processes that merge the same segments only one writes it; one that
finds a segment gone leaves the work to the other.

The objects are the truth. A library without any segment, such as a copied folder, is listed by its objects; its first
writer writes a segment of all. `rebuild` compares every row with its objects.
"""

import hashlib
import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import accumulate, groupby
from operator import itemgetter
from types import EllipsisType
from typing import TypeVar

from sega_store.errors import InvalidInputError, LibraryError, VectorFileError
from sega_store.files.header import header_by
from sega_store.files.regular_file import at_most
from sega_store.places import layout
from sega_store.places.annotations import load_annotation
from sega_store.places.bucket import Bucket
from sega_store.places.bucket_segment import MAX_SEGMENT_BYTES, State, latest, read_segment, write_segment
from sega_store.places.index import Changes, Listing
from sega_store.places.rows import drop_row, entry_of, put_row, select
from sega_store.records.annotation import NOTHING_SAID
from sega_store.records.entry import Entry

FOLDER = "catalogue"
FAN = 16
JOBS = 16

_KEY = re.compile(rf"{FOLDER}/([0-9]{{1,2}})-[0-9a-f]{{32}}\.sqlite")
_ATTEMPTS = 10
_TABLES = (
    "CREATE TABLE IF NOT EXISTS segments (key TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS states (
        id TEXT PRIMARY KEY, version INTEGER NOT NULL, held INTEGER NOT NULL, changed INTEGER NOT NULL
    ) WITHOUT ROWID""",
)
_T = TypeVar("_T")
_Fetched = dict[str, list[State] | InvalidInputError | None]


class BucketIndex:
    """The segments of a library, and what a local catalogue knows of them."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def refresh(self, db: sqlite3.Connection, step: Callable[[], object]) -> None:
        """Merges the segments that are new; calls `step` after each row of them."""
        for table in _TABLES:
            db.execute(table)
        for _ in range(_ATTEMPTS):
            metas = self._bucket.list(f"{FOLDER}/")
            listed = {meta["path"]: meta["size"] for meta in metas if _KEY.fullmatch(meta["path"])}
            if not listed:
                self._refresh_by_objects(db, step)
                return
            known = _known(db)
            if listed == known:
                return
            fetched = self._fetch(sorted(listed.keys() - known.keys()))
            if None not in fetched.values() and self._merge(db, listed, fetched, step):
                return
        raise LibraryError(f"The catalogue of {self._bucket.where} changes faster than it can be read. Try again.")

    def announce(self, listing: Listing, changes: Changes) -> None:
        """Writes a segment with what became of vectors: one LIST and one PUT."""
        listing.ask(lambda db: self._announce(db, changes))

    def rebuild(self, listing: Listing, step: Callable[[], object]) -> None:
        """Reads every header and annotation, announces what the catalogue has otherwise, drops damaged segments."""
        listing.ask(lambda db: self._rebuild(db, step))

    def remove(self, listing: Listing, entry: Entry) -> None:
        """Takes the noise away, looks again whether a vector needs it, and only then lets it go.

        A writer publishes noise, then vector, then its segment, then looks whether the noise is still there. So
        whichever of the two looks last sees what the other did, and puts the noise back.
        """
        from sega_store.files.vector_file import check_noise_size  # numpy, which a listing does without

        self._bucket.delete(layout.annotation_key(entry.id), layout.vector_key(entry.id))
        self.announce(listing, {entry.id: None})
        noise = layout.noise_key(entry.noise)
        if not listing.uses(entry.noise) and self._bucket.exists(noise):
            with suppress(InvalidInputError):  # somebody else removes it
                data = self._bucket.read(noise, check_noise_size)
                self._bucket.delete(noise)
                if listing.uses(entry.noise):
                    self._bucket.publish(noise, data)

    def clean(self, listing: Listing) -> None:
        """Nothing: an object is there whole or not at all."""

    def _announce(self, db: sqlite3.Connection, changes: Changes) -> None:
        due: dict[str, Entry | None] = {}
        if not _known(db):
            due |= {entry.id: entry for entry in select(db)}
        for identity, change in changes.items():
            if not isinstance(change, EllipsisType):
                due[identity] = change
            elif identity not in due and not select(db, "id = ?", (identity,)):
                due[identity] = self._header(identity).saying(load_annotation(self._bucket, identity))
        now = time.time_ns() // 1000
        states = []
        for identity, entry in sorted(due.items()):
            (version,) = db.execute("SELECT max(version) FROM states WHERE id = ?", (identity,)).fetchone()
            states.append(State(identity, (version or 0) + 1, now, entry))
        parts = list(_parts(states))
        if not parts and not _known(db):  # an empty one says that the library is listed by segments, not by objects
            parts = [[]]
        for part in parts:
            self._write(db, f"{FOLDER}/0-{secrets.token_hex(16)}.sqlite", part)
        self._compact(db)

    def _rebuild(self, db: sqlite3.Connection, step: Callable[[], object]) -> None:
        rows, damages = self._survey(db, everything=True, step=step)
        self._announce(db, {identity: entry for identity, (entry, _) in rows.items()})
        self._note(db, damages)
        for key in _known(db):
            url = self._bucket.locate(key)
            if db.execute("SELECT 1 FROM damaged WHERE path = ?", (url,)).fetchone():
                self._bucket.delete(key)
                db.execute("DELETE FROM damaged WHERE path = ?", (url,))
                db.execute("DELETE FROM segments WHERE key = ?", (key,))

    def _fetch(self, keys: Sequence[str]) -> _Fetched:
        """The states of segments; what is wrong with a damaged one, None for one that is gone."""

        def fetch(key: str) -> list[State] | InvalidInputError | None:
            try:
                return read_segment(self._bucket.read(key, at_most(MAX_SEGMENT_BYTES)))
            except InvalidInputError as error:
                return error if self._bucket.exists(key) else None

        return dict(zip(keys, _concurrently(fetch, keys), strict=True))

    def _merge(
        self, db: sqlite3.Connection, listed: Mapping[str, int], fetched: _Fetched, step: Callable[[], object]
    ) -> bool:
        """Makes the local catalogue the union of the listed segments; False if the fetched ones don't suffice for it.

        If no segment that it knows is there any more, it starts anew: the bucket may be another one.
        """
        db.execute("BEGIN IMMEDIATE")
        known = _known(db)
        if not known.keys() & listed.keys():
            known = {}
            for table in ("vectors", "texts", "states", "damaged", "segments"):
                db.execute(f"DELETE FROM {table}")
        if listed.keys() - known.keys() - fetched.keys():
            db.execute("COMMIT")
            return False
        for key, found in fetched.items():
            if isinstance(found, InvalidInputError):
                db.execute("INSERT OR REPLACE INTO damaged VALUES (?, ?)", (self._bucket.locate(key), str(found)))
            for state in found if isinstance(found, list) else []:
                _apply(db, state)
                step()
        for key in known.keys() - listed.keys():
            db.execute("DELETE FROM damaged WHERE path = ?", (self._bucket.locate(key),))
        db.execute("DELETE FROM segments")
        db.executemany("INSERT INTO segments VALUES (?, ?)", listed.items())
        db.execute("COMMIT")
        return True

    def _write(self, db: sqlite3.Connection, key: str, states: Sequence[State], replaced: Sequence[str] = ()) -> None:
        """Publishes a segment, which may take the place of others, and takes it into the local catalogue."""
        data = write_segment(states)
        self._bucket.publish(key, data)
        if replaced:
            self._bucket.delete(*replaced)
        db.execute("BEGIN IMMEDIATE")
        for state in states:
            _apply(db, state)
        db.executemany("DELETE FROM segments WHERE key = ?", [(one,) for one in replaced])
        db.execute("INSERT OR REPLACE INTO segments VALUES (?, ?)", (key, len(data)))  # somebody may have fetched it
        db.execute("COMMIT")

    def _compact(self, db: sqlite3.Connection) -> None:
        """Merges the segments of each level that has `FAN` of them, as far as they fit into one."""
        damaged = {path for (path,) in db.execute("SELECT path FROM damaged")}
        for level in range(99):
            sizes = {
                key: size
                for key, size in sorted(_known(db).items())
                if key.startswith(f"{FOLDER}/{level}-") and self._bucket.locate(key) not in damaged
            }
            if len(sizes) < FAN:
                continue
            totals = accumulate(sizes.values())
            chosen = [key for key, total in zip(sizes, totals, strict=True) if total <= MAX_SEGMENT_BYTES]
            if len(chosen) > 1 and not self._unite(db, level, chosen):
                return

    def _unite(self, db: sqlite3.Connection, level: int, keys: Sequence[str]) -> bool:
        """Replaces segments by their union; False if somebody else does."""
        states: list[State] = []
        for found in self._fetch(keys).values():
            if not isinstance(found, list):
                return False
            states += found
        name = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:32]
        self._write(db, f"{FOLDER}/{level + 1}-{name}.sqlite", latest(states), replaced=keys)
        return True

    def _refresh_by_objects(self, db: sqlite3.Connection, step: Callable[[], object]) -> None:
        """For a library without segments: every question lists the objects, and reads the headers of the new ones."""
        rows, damages = self._survey(db, everything=False, step=step)
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM segments")
        db.execute("DELETE FROM damaged")
        self._note(db, damages)
        for identity, (entry, tag) in rows.items():
            _list(db, identity, entry, tag)
        db.execute("COMMIT")

    def _survey(
        self, db: sqlite3.Connection, everything: bool, step: Callable[[], object]
    ) -> tuple[dict[str, tuple[Entry | None, str]], dict[str, str]]:
        """Where the objects differ from the catalogue, or, without `everything`, the objects that are new to it.

        Returns:
            By id, the row of a vector, None if it isn't there, and the tag of its annotation; by URL, what is wrong
            with objects.
        """
        present = [layout.stem_of(key) for key in self._bucket.keys(f"{layout.VECTORS}/")]
        rows = {entry.id: entry for entry in select(db)}
        if not present and not rows:
            return {}, {}
        tags = {
            layout.stem_of(meta["path"]): meta["e_tag"] or str(meta["last_modified"])
            for meta in self._bucket.list(f"{layout.ANNOTATIONS}/")
        }
        known = dict(db.execute("SELECT id, annotated FROM vectors"))
        found: dict[str, tuple[Entry | None, str]] = dict.fromkeys(rows.keys() - set(present), (None, ""))
        damages: dict[str, str] = {}

        def read(identity: str) -> None:
            old, tag = rows.get(identity), tags.get(identity, "")
            try:
                entry = old if old is not None and not everything else self._header(identity)
                entry = entry.saying(load_annotation(self._bucket, identity) if tag else NOTHING_SAID)
                if entry != old or not everything:
                    found[identity] = (entry, tag)
            except VectorFileError as error:
                damages[error.file] = error.problem
                if old is not None:
                    found[identity] = (None, "")
            step()

        changed = present if everything else [one for one in present if known.get(one) != tags.get(one, "")]
        _concurrently(read, changed)
        return found, damages

    def _header(self, identity: str) -> Entry:
        key = layout.vector_key(identity)
        name = self._bucket.locate(key)
        header, size = header_by(name, partial(self._bucket.beginning, key))
        if header.id != identity:
            raise VectorFileError(name, f"its name isn't its id, {header.id}")
        return entry_of(header, size)

    def _note(self, db: sqlite3.Connection, damages: dict[str, str]) -> None:
        """Replaces what is known of damaged objects other than segments."""
        segments = f"{self._bucket.locate(FOLDER)}/"
        db.execute("DELETE FROM damaged WHERE substr(path, 1, ?) != ?", (len(segments), segments))
        db.executemany("INSERT OR REPLACE INTO damaged VALUES (?, ?)", damages.items())


def _known(db: sqlite3.Connection) -> dict[str, int]:
    return dict(db.execute("SELECT key, size FROM segments"))


def _apply(db: sqlite3.Connection, state: State) -> None:
    """Takes a state into the local catalogue, unless a later one is there."""
    row = db.execute("SELECT version, held, changed FROM states WHERE id = ?", (state.id,)).fetchone()
    order = (state.version, int(state.entry is not None), state.changed)
    if row is None or row < order:
        _list(db, state.id, state.entry)
        db.execute("INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?)", (state.id, *order))


def _list(db: sqlite3.Connection, identity: str, entry: Entry | None, tag: str = "") -> None:
    drop_row(db, identity)
    if entry is not None:
        put_row(db, entry, tag)


def _parts(states: Sequence[State]) -> Iterator[list[State]]:
    """States in parts that fit into a segment each."""
    # a character takes four bytes at most, and a row little beside its texts
    lengths = accumulate(len(repr(state)) for state in states)
    numbered = zip((length // (MAX_SEGMENT_BYTES // 8) for length in lengths), states, strict=True)
    for _, part in groupby(numbered, key=itemgetter(0)):
        yield [state for _, state in part]


def _concurrently(work: Callable[[str], _T], items: Sequence[str]) -> list[_T]:
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(JOBS) as pool:
        return list(pool.map(work, items))
