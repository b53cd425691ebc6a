"""A library: guidance vectors, their initial noises and what people say of them, in a folder or an object store.

A `Library` is a Mapping of REF to vector. A REF is a name, the text of a concept that only one vector has, or the
first four or more digits of an id. Several processes may use a library at once.
"""

import difflib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any

from sega_store.errors import AmbiguousRefError, InvalidInputError, LibraryError, RefError, UnknownRefError
from sega_store.files.regular_file import user_path
from sega_store.library.catalogue import ID_PREFIX, MIN_PREFIX, Catalogue
from sega_store.library.selection import Selection
from sega_store.places import disk, layout
from sega_store.places.annotations import load_annotation
from sega_store.places.folder import Folder
from sega_store.places.open import open_place
from sega_store.places.rows import entry_of
from sega_store.records import rules
from sega_store.records.annotation import Annotation
from sega_store.records.entry import Entry
from sega_store.records.recommendation import Recommendation

if TYPE_CHECKING:  # what reads and writes arrays is imported where it is done: a listing does without numpy
    from sega_store.library.verify import Damage, Verification
    from sega_store.records.noise import InitialNoise
    from sega_store.records.vector import GuidanceVector

SHORT = 8
MOST_QUOTED = 100  # characters of a text in a message


@dataclass(frozen=True)
class Stored:
    """All that a library holds to apply a vector with.

    Attributes:
        vector: The vector.
        noise: The initial noise that it was recorded from; None if it was added without.
        recommended: The edit parameters that are recommended for it, if any are.
    """

    vector: "GuidanceVector"
    noise: "InitialNoise | None"
    recommended: Recommendation | None

    @property
    def tuned(self) -> "GuidanceVector":
        """The vector with the recommended edit parameters as its own, where there are any."""
        parameters = self.recommended.parameters if self.recommended else {}
        return replace(self.vector, concept=replace(self.vector.concept, **parameters))


class Library(Mapping[str, "GuidanceVector"]):
    """The vectors in a folder, or in an object store; a missing folder is an empty library, made by the first `add`.

    Args:
        path: A folder, or a URL: `s3://bucket/name`, `gs://bucket/name`, `az://container/name`.

    Attributes:
        files: Where its files are.
        catalogue: Lists its vectors: pages, groups, counts and damage.

    Raises:
        LibraryError: There is something else than a folder at the path, or the URL leads nowhere.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.files, self._index = open_place(path)
        self.catalogue = Catalogue(self.files.identity, self._index)

    @property
    def where(self) -> str:
        """The folder's path, or the URL."""
        return self.files.where

    def check_exists(self) -> None:
        """Check that there is a library, be it an empty one; for those who only read.

        Raises:
            LibraryError: There is nothing at its place.
        """
        if isinstance(self.files, Folder):
            exists = self.root.is_dir()
        else:
            exists = any(next(self.files.keys(f"{kind}/"), None) for kind in layout.KINDS)
        if not exists:
            raise LibraryError(f"There is no library at {self.where}. Check its path, or record into it first.")

    @property
    def root(self) -> Path:
        """The folder.

        Raises:
            LibraryError: The library is in an object store.
        """
        if not isinstance(self.files, Folder):
            raise LibraryError(f"{self.where} is no folder. Pull the library into one: sega-vec pull.")
        return self.files.root

    def add(self, vector: "GuidanceVector", noise: "InitialNoise | None" = None, name: str | None = None) -> str:
        """Keeps a vector, and the noise that it was recorded from; when this returns, they are safe.

        What the library holds already stays as it is, its preview and creation time included.

        Args:
            vector: The vector.
            noise: Its initial noise, once for all vectors that share it.
            name: A name to call it by.

        Returns:
            Its id.

        Raises:
            InvalidInputError: The noise isn't the vector's, the name is taken or malformed, the vector is too large.
            LibraryError: The disk is full, the folder isn't writable, and the like.
        """
        from sega_store.files.header import VectorHeader
        from sega_store.files.vector_file import write_noise, write_vector

        file = write_vector(vector)
        noise_file = b"" if noise is None else write_noise(noise)
        if noise is not None and noise.sha256 != vector.provenance.noise.sha256:
            raise InvalidInputError(
                f"The noise has the hash {noise.sha256[:SHORT]}, the vector was recorded from "
                f"{vector.provenance.noise.sha256[:SHORT]}. Add the recorder's noise of the same index."
            )
        if name is not None:
            self._check_name(Annotation(name=name).name, vector.id)
        if noise is not None:
            noise_key = layout.noise_key(noise.sha256)
            self.files.publish(noise_key, noise_file)
        new = self.files.publish(layout.vector_key(vector.id), file)
        self.catalogue.announce({vector.id: entry_of(VectorHeader.of(vector), len(file)) if new else ...})
        if noise is not None and not self.files.exists(noise_key):  # a removal saw it unused before it was used
            self.files.publish(noise_key, noise_file)
        if name is not None:
            self.annotate(vector.id, name=name)
        return vector.id

    def remove(self, ref: str) -> str:
        """Removes a vector, what is said of it, and its noise if no other vector needs it; returns its id.

        Raises:
            UnknownRefError: There is no such vector.
            LibraryError: The folder isn't writable, and the like; the vector may be gone, or whole with all it has.
        """
        entry = self.entry(ref)
        self._index.remove(self.catalogue, entry)
        return entry.id

    def entry(self, ref: str, seed: int | None = None) -> Entry:
        """The row of the one vector that a REF names.

        Args:
            ref: The REF.
            seed: The seed of its noise, which tells a concept's vectors apart; None: any.

        Raises:
            UnknownRefError: It names none.
            AmbiguousRefError: It names several.
        """
        named = self.catalogue.lookup(ref)
        if not named:
            raise UnknownRefError(self._unknown(ref))
        found = [entry for entry in named if seed in (None, entry.seed)]
        if not found:
            raise UnknownRefError(f"{ref!r} has no vector of seed {seed}; {seeds_of(named)}.")
        if len(found) > 1:
            raise AmbiguousRefError(self._ambiguous(ref, found), [entry.id for entry in found])
        return found[0]

    def resolve(self, ref: str, seed: int | None = None) -> str:
        """The id of the one vector that a REF names; arguments and errors as of `entry`."""
        return self.entry(ref, seed).id

    def short(self, identity: str) -> str:
        """The shortest beginning of an id that no other vector of the library shares, of at least 8 digits."""
        shared = (
            sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(identity, other, strict=False)))
            for other in self.catalogue.neighbours(identity)
        )
        return identity[: max(SHORT, *(length + 1 for length in shared), 0)]

    def search(
        self,
        query: str = "",
        concept: str | None = None,
        model: str | None = None,
        noise: str | None = None,
        limit: int | None = None,
    ) -> list[Entry]:
        """Lists vectors, newest first, at most `limit`; opens no file but new ones. The rest is as of `Selection`."""
        return self.catalogue.page(Selection(query, concept, model, noise), limit=limit)

    def by_recipe(self, recipe: str) -> list[str]:
        """The ids of what was recorded with a recipe: none, one, or variants of hardware that isn't deterministic."""
        prefix = f"{layout.VECTORS}/{recipe[:2]}/{rules.sha256('recipe', recipe)}."
        ids = [layout.stem_of(key) for key in self.files.keys(prefix)]
        if ids:  # a writer may have been killed before it announced one
            self.catalogue.announce(dict.fromkeys(ids, ...))
        return ids

    def path_of(self, ref: str) -> Path:
        """The file of a vector; a `LibraryError` if the library is in an object store."""
        return self.root / layout.vector_key(self.resolve(ref))

    def location_of(self, ref: str) -> str:
        """The path of a vector's file, or its URL."""
        return str(self.files.locate(layout.vector_key(self.resolve(ref))))

    def load(self, ref: str, seed: int | None = None) -> Stored:
        """A vector with its initial noise and what is recommended for it.

        Args:
            ref: A vector's REF.
            seed: Which of a concept's vectors, by the seed of its noise.

        Raises:
            UnknownRefError: There is no such vector.
            AmbiguousRefError: The REF names several.
            VectorFileError: A file is damaged.
        """
        from sega_store.places.contents import load_noise

        vector = self[self.resolve(ref, seed)]
        noise = load_noise(self.files, vector.provenance.noise.sha256)
        return Stored(vector, noise, self.recommended(vector.id))

    def noise(self, ref: str) -> "InitialNoise":
        """The initial noise that a vector was recorded from.

        Args:
            ref: A vector's REF, also one of several vectors that share a noise; or the first digits of its hash.

        Raises:
            UnknownRefError: There is no such vector or noise, or the noise wasn't added.
            VectorFileError: The file is damaged.
        """
        from sega_store.places.contents import load_noise

        sha256 = self._noise_of(ref)
        noise = load_noise(self.files, sha256)
        if noise is None:
            raise UnknownRefError(
                f"The library doesn't hold the initial noise {sha256[:SHORT]} of {ref!r}: it was added without. "
                "Add it with library.add(vector, noise)."
            )
        return noise

    def recommended(self, ref: str) -> Recommendation | None:
        """The edit parameters that are recommended to apply a vector with, if any are.

        Raises:
            UnknownRefError: There is no such vector.
            VectorFileError: What is said of it is damaged.
        """
        identity = self.entry(ref).id
        return disk.steadily(lambda: load_annotation(self.files, identity)).recommended

    def annotate(
        self,
        ref: str,
        name: str | EllipsisType | None = ...,
        tags: Iterable[str] | EllipsisType = ...,
        rating: int | EllipsisType | None = ...,
        notes: str | EllipsisType = ...,
        recommended: Recommendation | EllipsisType | None = ...,
    ) -> Entry:
        """Says something of a vector; what isn't given stays.

        Args:
            ref: The vector.
            name: A name that no other vector has, or None to take it away.
            tags: All its tags.
            rating: From 1 to 5, or None to take it away.
            notes: Free text.
            recommended: Edit parameters to apply it with, or None to take them away.

        Returns:
            Its row.
        """
        entry = self.entry(ref)
        identity, key = entry.id, layout.annotation_key(entry.id)
        said = disk.steadily(lambda: load_annotation(self.files, identity))
        if not isinstance(name, EllipsisType):
            self._check_name(name, identity)
        if not isinstance(tags, EllipsisType):
            tags = rules.instances("tags", tags, str, "pass ['a tag', 'another']")
        given = {"name": name, "tags": tags, "rating": rating, "notes": notes, "recommended": recommended}
        changed: dict[str, Any] = {field: value for field, value in given.items() if value is not ...}
        said = replace(said, **changed)
        self.files.replace(key, said.to_bytes())
        self.catalogue.announce({identity: entry.saying(said)})
        if not self.files.exists(layout.vector_key(identity)):  # removed meanwhile
            self.catalogue.announce({identity: None})
        return self.entry(identity)

    def verify(
        self,
        refs: Iterable[str] = (),
        move_aside: str | os.PathLike[str] | None = None,
        source: "Library | None" = None,
        step: Callable[[], object] = lambda: None,
        each: "Callable[[Damage], object]" = lambda damage: None,
    ) -> "Verification":
        """Checks every byte of vectors, noises and annotations; damaged files stay as they are unless it is asked for.

        What killed processes left is removed on the way, if the whole library is verified.

        Args:
            refs: The vectors whose files to check; if empty, all files of the library.
            move_aside: A folder for the damaged files, which leave the library.
            source: Another library; a file that is whole there takes the place of the damaged one.
            step: Called after every file.
            each: Called with every damage, once what was asked for is done about it.

        Raises:
            UnknownRefError: A REF names nothing.
            LibraryError: A file can't be moved or replaced.
        """
        from sega_store.library.verify import verify

        refs = rules.instances("refs", refs, str, "pass [ref]")
        if not refs:
            self._index.clean(self.catalogue)
        aside = None if move_aside is None else user_path(move_aside).absolute()
        return verify(self, refs, aside, source, step, each)

    def __getitem__(self, ref: str) -> "GuidanceVector":
        from sega_store.places.contents import load_vector

        return disk.steadily(lambda: load_vector(self.files, self.resolve(ref)))

    def __contains__(self, ref: object) -> bool:
        try:
            return isinstance(ref, str) and bool(self.resolve(ref))
        except RefError:
            return False

    def __iter__(self) -> Iterator[str]:
        return iter(self.catalogue.ids())

    def __len__(self) -> int:
        return self.catalogue.total()

    def __eq__(self, other: object) -> bool:
        return self.files.identity == other.files.identity if isinstance(other, Library) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.files.identity)

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        from sega_store.library.notebook import library_html

        return library_html(self)

    def __repr__(self) -> str:
        return f"Library({self.where!r})"

    def _check_name(self, name: str | None, identity: str) -> None:
        """Check that a name is free, and that it would hide nothing: a REF is a name before it is anything else."""
        for other in () if name is None else self.catalogue.lookup(name):
            if other.id == identity:
                continue
            if other.name == rules.composed(str(name)):
                raise InvalidInputError(
                    f"The name {name!r} is {self.short(other.id)}'s. Choose another, or rename that one."
                )
            what = "concept" if other.concept == rules.composed(str(name)) else "beginning of the id"
            raise InvalidInputError(
                f"The name {name!r} would hide the vector {self.short(other.id)}, whose {what} it is. Choose another."
            )

    def _noise_of(self, ref: str) -> str:
        """The hash of the noise that all the vectors of a REF share, or that a prefix of hashes leads to."""
        found = self.catalogue.lookup(ref)
        noises = {entry.noise for entry in found}
        if not found and ID_PREFIX.fullmatch(ref.lower()):
            prefix = f"{layout.NOISE}/{ref[:2].lower()}/{ref.lower()}"
            noises = {layout.stem_of(key) for key in self.files.keys(prefix)}
        if not noises:
            raise UnknownRefError(self._unknown(ref))
        if len(noises) > 1 and found:
            raise AmbiguousRefError(self._ambiguous(ref, found), [entry.id for entry in found])
        if len(noises) > 1:
            raise AmbiguousRefError(f"{ref!r} begins the hashes of {len(noises)} noises.", sorted(noises))
        return noises.pop()

    def _unknown(self, ref: str) -> str:
        close = difflib.get_close_matches(ref, self.catalogue.words(), n=3)
        hint = f" Did you mean {', '.join(map(repr, close))}?" if close else ""
        damaged = self.catalogue.damaged()
        unread = f" {len(damaged)} files can't be listed; the first is {damaged[0]}." if damaged else ""
        return (
            f"Nothing in {self.where} is called {ref!r}.{hint}{unread} A REF is a name, a concept, or the first "
            f"{MIN_PREFIX} or more digits of an id."
        )

    def _ambiguous(self, ref: str, found: list[Entry]) -> str:
        lines = [f"  {self.short(e.id)}  {_brief(e.concept)}  {_brief(e.prompt)}  seed {e.seed}" for e in found[:10]]
        more = [f"  and {len(found) - 10} more"] if len(found) > 10 else []
        return "\n".join([f"{ref!r} names {len(found)} vectors; take the first digits of one:", *lines, *more])


def _brief(text: str) -> str:
    """A text in a message, which may be a stranger's and very long."""
    return repr(text if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]}…")


def seeds_of(entries: Iterable[Entry]) -> str:
    """The seeds of vectors, in words."""
    seeds = sorted({entry.seed for entry in entries if entry.seed is not None})
    listed = ", ".join(map(str, seeds[:10])) + (f" and {len(seeds) - 10} more" if len(seeds) > 10 else "")
    return f"it was recorded at {listed}" if seeds else "its noise was drawn by no seed that is known"
