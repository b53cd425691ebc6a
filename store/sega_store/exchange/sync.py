"""Push and pull: copies of vectors from one library to another, whether folders or object stores.

A copy can be interrupted at any time and goes on where it was: files are named after their content, so what is there
isn't copied again. Vectors are copied in batches, their noises first and several at once; after each batch the other
library's catalogue hears of it.
"""

import threading
from collections.abc import Callable, Iterable, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import EllipsisType

from sega_store.errors import InvalidInputError
from sega_store.exchange.bundle_import import Imported
from sega_store.files.header import VectorHeader, parse_root, root_of
from sega_store.library.library import Library
from sega_store.places import layout
from sega_store.places.annotations import load_annotation
from sega_store.places.contents import read_whole
from sega_store.places.rows import entry_of
from sega_store.records.annotation import NOTHING_SAID, Annotation
from sega_store.records.entry import Entry

DEFAULT_JOBS = 8
BATCH = 256


def copy_vectors(
    source: Library,
    target: Library,
    refs: Iterable[str] = (),
    jobs: int = DEFAULT_JOBS,
    step: Callable[[], object] = lambda: None,
    each: Callable[[Imported], object] = lambda done: None,
) -> Imported:
    """Copies vectors with their noises and annotations; each file is checked before it is written.

    What the target holds already stays as it is, but gets a noise or an annotation if it has none. A name that would
    hide another vector of the target, being its name, concept or the beginning of its id, is left out. Whatever goes
    wrong, what was copied stays, and the same call goes on.

    Args:
        source: Where they are.
        target: Where they go.
        refs: Which; none for all.
        jobs: How many at once.
        step: Called after every vector, from one thread at a time.
        each: Called with what was done after every batch, also one that failed or was interrupted.

    Raises:
        InvalidInputError: `jobs` isn't positive, or both libraries are one.
        UnknownRefError: A REF names nothing.
        VectorFileError: A file of the source is damaged.
        LibraryError: One of the libraries can't be read or written.
    """
    if jobs < 1:
        raise InvalidInputError(f"jobs must be at least 1, met {jobs}.")
    if source == target:
        raise InvalidInputError(f"A library isn't copied to itself, met {source.where} twice. Name another one.")
    ids = list(dict.fromkeys(map(source.resolve, refs)))
    annotated = None
    if not ids:
        if damaged := source.catalogue.damaged():  # a listing passes over such files, and a copy of all must not
            raise damaged[0]
        ids = list(source)
        annotated = {layout.stem_of(key) for key in source.files.keys(f"{layout.ANNOTATIONS}/")}
    target.catalogue.announce({})  # that it is listed by a catalogue, not by its files
    done = Imported()
    for start in range(0, len(ids), BATCH):
        some = _Batch(source, target, ids[start : start + BATCH], annotated, step).copy(jobs, each)
        done = Imported(done.added + some.added, done.held + some.held, done.unnamed + some.unnamed)
    return done


class _Batch:
    """Some vectors that are copied at once and announced together.

    `annotated` are all vectors of the source of which something is said; None: ask for each of the batch.
    """

    def __init__(
        self, source: Library, target: Library, ids: list[str], annotated: Set[str] | None, step: Callable[[], object]
    ) -> None:
        self._source, self._target, self._annotated, self._step = source, target, annotated, step
        self._rows = source.catalogue.entries(ids)
        self._held = target.catalogue.entries(ids)
        self._owners = target.catalogue.owners(
            {row.name: row.id for row in self._rows.values() if row.name is not None}
        )
        self._changes: dict[str, Entry | EllipsisType | None] = {}
        self._added: set[str] = set()
        self._copied: set[str] = set()
        self._unnamed: set[str] = set()
        self._lock = threading.Lock()

    def copy(self, jobs: int, each: Callable[[Imported], object]) -> Imported:
        """Copies them all; if one fails, those that were copied are announced before the error is raised."""
        try:
            with ThreadPoolExecutor(jobs) as pool:
                list(pool.map(self._copy_noise, dict.fromkeys(row.noise for row in self._rows.values())))
                list(pool.map(self._copy, self._rows.values()))
        finally:
            try:
                if self._changes:
                    self._target.catalogue.announce(self._changes)
                for sha256 in {self._rows[identity].noise for identity in self._added}:
                    self._copy_noise(sha256)  # a removal may have seen it unused before it was used
            finally:
                each(self._done())
        return self._done()

    def _done(self) -> Imported:
        some = self._added, self._copied - self._added, self._unnamed
        return Imported(*(tuple(filter(ids.__contains__, self._rows)) for ids in some))

    def _copy(self, row: Entry) -> None:
        listed = self._held.get(row.id)
        now: Entry | EllipsisType = listed or self._copy_vector(row.id)
        if now is not ...:
            with self._lock:
                self._added |= {row.id} - self._held.keys()
        said = self._annotation(row.id, now, held=listed is not None)
        if said is not None:
            self._target.files.replace(layout.annotation_key(row.id), said.to_bytes())
            if not isinstance(now, EllipsisType):
                now = now.saying(said)
        with self._lock:
            if now != listed:
                self._changes[row.id] = now
            self._copied.add(row.id)
            self._step()

    def _copy_noise(self, sha256: str) -> None:
        """Copies a noise that the target lacks; the source may lack it too."""
        key = layout.noise_key(sha256)
        if not self._target.files.exists(key) and self._source.files.exists(key):
            self._target.files.publish(key, read_whole(self._source.files, key))

    def _copy_vector(self, identity: str) -> Entry | EllipsisType:
        """The row of a vector that is new to the target; `...` if only its catalogue doesn't know the vector."""
        key = layout.vector_key(identity)
        if self._target.files.exists(key):
            return ...
        data = read_whole(self._source.files, key)
        new = self._target.files.publish(key, data)
        return entry_of(parse_root(root_of(data), VectorHeader), len(data)) if new else ...

    def _annotation(self, identity: str, now: Entry | EllipsisType, held: bool) -> Annotation | None:
        """What there is to say of a vector that the target says nothing of; without a name that is another's there.

        A row doesn't tell of a recommendation, so where it says nothing the file is asked for.
        """
        key = layout.annotation_key(identity)
        if not (self._source.files.exists(key) if self._annotated is None else identity in self._annotated):
            return None
        if now is ... or (held and now.said == NOTHING_SAID):
            if self._target.files.exists(key):
                return None
        elif held:
            return None
        said = load_annotation(self._source.files, identity)
        with self._lock:
            if said.name is not None and self._owners.setdefault(said.name, identity) != identity:
                said = replace(said, name=None)
                self._unnamed.add(identity)
        return said
