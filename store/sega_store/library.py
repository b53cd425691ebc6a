"""A library: a folder of guidance vectors, their initial noises and what people say of them.

A `Library` is a Mapping of REF to vector. A REF is a name, the text of a concept that only one vector has, or the
first four or more digits of an id. Several processes may use a library at once.
"""

import difflib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING

from sega_store import disk, layout, rules
from sega_store.annotation import Annotation, read_annotation
from sega_store.catalogue import ID_PREFIX, MIN_PREFIX, Catalogue
from sega_store.entry import Entry
from sega_store.errors import (
    AmbiguousRefError,
    InvalidInputError,
    LibraryError,
    RefError,
    UnknownRefError,
    VectorFileError,
)

if TYPE_CHECKING:  # what reads and writes arrays is imported where it is done: a listing does without numpy
    from sega_store.noise import InitialNoise
    from sega_store.vector import GuidanceVector
    from sega_store.verify import Verification

SHORT = 8


class Library(Mapping[str, "GuidanceVector"]):
    """The vectors in a folder; a missing folder is an empty library, made by the first `add`.

    Attributes:
        root: The folder.

    Raises:
        LibraryError: There is something else than a folder at the path.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.root = Path(path).expanduser().absolute()
        if self.root.exists() and not self.root.is_dir():
            raise LibraryError(f"A library is a folder, and {self.root} is none. Remove the file or use another path.")
        self._catalogue = Catalogue(self.root)

    def add(self, vector: "GuidanceVector", noise: "InitialNoise | None" = None, name: str | None = None) -> str:
        """Keeps a vector, and the noise that it was recorded from; when this returns, they are on disk.

        What the library holds already stays as it is, its preview and creation time included.

        Args:
            vector: The vector.
            noise: Its initial noise, once for all vectors that share it.
            name: To call it by.

        Returns:
            Its id.

        Raises:
            InvalidInputError: The noise is another one, the name is taken or malformed, the vector is too large.
            LibraryError: The disk is full, the folder isn't writable, and the like.
        """
        from sega_store.file import write_noise, write_vector

        if noise is not None and noise.sha256 != vector.provenance.noise.sha256:
            raise InvalidInputError(
                f"The noise has the hash {noise.sha256[:SHORT]}, the vector was recorded from "
                f"{vector.provenance.noise.sha256[:SHORT]}. Add the recorder's noise of the same index."
            )
        if name is not None:
            self._check_name(Annotation(name=name).name, vector.id)
        if noise is not None:
            noise_path, noise_file = layout.noise_path(self.root, noise.sha256), write_noise(noise)
            disk.publish(noise_path, noise_file)
        disk.publish(layout.vector_path(self.root, vector.id), write_vector(vector))
        if noise is not None and not noise_path.exists():  # a removal saw it unused before the vector was there
            disk.publish(noise_path, noise_file)
        if name is not None:
            self.annotate(vector.id, name=name)
        return vector.id

    def remove(self, ref: str) -> str:
        """Removes a vector, what is said of it, and its noise if no other vector needs it.

        Returns:
            The id that it had.
        """
        entry = self._lookup(ref)
        with disk.library_errors(f"Removing {ref!r}"):
            for path in (layout.annotation_path(self.root, entry.id), layout.vector_path(self.root, entry.id)):
                path.unlink(missing_ok=True)
                if path.parent.is_dir():
                    disk.sync_folder(path.parent)
            self._remove_noise_unless_used(entry.noise)
        return entry.id

    def resolve(self, ref: str) -> str:
        """The id of the one vector that a REF names.

        Raises:
            UnknownRefError: It names none.
            AmbiguousRefError: It names several.
        """
        return self._lookup(ref).id

    def entry(self, ref: str) -> Entry:
        """The row of the one vector that a REF names; as `resolve`."""
        return self._lookup(ref)

    def short(self, identity: str) -> str:
        """The shortest beginning of an id that no other vector of the library shares, of at least 8 digits."""
        shared = (
            sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(identity, other, strict=False)))
            for other in self._catalogue.neighbours(identity)
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
        """Lists vectors, newest first; opens no file but new ones.

        Args:
            query: Words, each of which must begin a word of the concept, prompt, name, model, tags or notes.
            concept: The concept's text.
            model: The model's name.
            noise: The beginning of the noise's hash.
            limit: At most so many.
        """
        return self._catalogue.search(query, concept, model, noise, limit)

    def refresh(self, step: Callable[[], object] = lambda: None) -> None:
        """Lists what has changed since the last time, as every question does by itself; to show how the first goes on.

        Args:
            step: Called after each vector that is new to the catalogue.
        """
        self._catalogue.refresh(step)

    def by_recipe(self, recipe: str) -> list[str]:
        """The ids of what was recorded with a recipe: none, one, or variants of hardware that isn't deterministic."""
        folder = layout.vector_path(self.root, rules.sha256("recipe", recipe)).parent
        return sorted(identity for identity in layout.vectors_in(folder) if identity.startswith(recipe))

    def path_of(self, ref: str) -> Path:
        """The file of a vector."""
        return layout.vector_path(self.root, self.resolve(ref))

    def noise(self, ref: str) -> "InitialNoise":
        """The initial noise that a vector was recorded from.

        Args:
            ref: A vector's REF, also one of several vectors that share a noise; or the first digits of its hash.

        Raises:
            UnknownRefError: There is no such vector or noise, or the noise wasn't added.
            VectorFileError: The file is damaged.
        """
        from sega_store.file import read_noise

        sha256 = self._noise_of(ref)
        path = layout.noise_path(self.root, sha256)
        if not path.exists():
            raise UnknownRefError(
                f"The library doesn't hold the initial noise {sha256[:SHORT]} of {ref!r}: it was added without. "
                "Add it with library.add(vector, noise)."
            )
        noise = read_noise(path)
        if noise.sha256 != sha256:
            raise VectorFileError(str(path), f"its name isn't its hash, {noise.sha256}")
        return noise

    def annotate(
        self,
        ref: str,
        name: str | EllipsisType | None = ...,
        tags: Iterable[str] | EllipsisType = ...,
        rating: int | EllipsisType | None = ...,
        notes: str | EllipsisType = ...,
    ) -> Entry:
        """Says something of a vector; what isn't given stays.

        Args:
            ref: The vector.
            name: A name that no other vector has, or None to take it away.
            tags: All its tags.
            rating: From 1 to 5, or None to take it away.
            notes: Free text.

        Returns:
            Its row.
        """
        identity = self.resolve(ref)
        path = layout.annotation_path(self.root, identity)
        said = read_annotation(path) if path.exists() else Annotation()
        if not isinstance(name, EllipsisType):
            said = replace(said, name=self._check_name(name, identity))
        if not isinstance(tags, EllipsisType):
            said = replace(said, tags=tuple(tags))
        if not isinstance(rating, EllipsisType):
            said = replace(said, rating=rating)
        if not isinstance(notes, EllipsisType):
            said = replace(said, notes=notes)
        disk.replace(path, said.to_bytes())
        return self._lookup(identity)

    def verify(
        self,
        refs: Iterable[str] = (),
        move_aside: str | os.PathLike[str] | None = None,
        source: "Library | None" = None,
        step: Callable[[], object] = lambda: None,
    ) -> "Verification":
        """Checks every byte of vectors, noises and annotations; nothing is changed unless it is asked for.

        Args:
            refs: Whose files; none for all files of the library.
            move_aside: A folder for the damaged files, which leave the library.
            source: Another library; a file that is whole there takes the place of the damaged one.
            step: Called after every file.

        Raises:
            UnknownRefError: A REF names nothing.
            LibraryError: A file can't be moved or replaced.
        """
        from sega_store.verify import verify

        aside = None if move_aside is None else Path(move_aside).expanduser().absolute()
        return verify(self, refs, aside, source, step)

    def damaged(self) -> list[VectorFileError]:
        """What is wrong with files, as far as a listing reads them; opening a vector checks every byte."""
        return self._catalogue.damaged()

    def __getitem__(self, ref: str) -> "GuidanceVector":
        from sega_store.file import read_vector

        path = self.path_of(ref)
        vector = read_vector(path)
        if path != layout.vector_path(self.root, vector.id):
            raise VectorFileError(str(path), f"its name isn't its id, {vector.id}")
        return vector

    def __contains__(self, ref: object) -> bool:
        try:
            return isinstance(ref, str) and bool(self.resolve(ref))
        except RefError:
            return False

    def __iter__(self) -> Iterator[str]:
        return iter(self._catalogue.ids())

    def __len__(self) -> int:
        return self._catalogue.count()

    def __eq__(self, other: object) -> bool:
        return self.root.resolve() == other.root.resolve() if isinstance(other, Library) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.root.resolve())

    def __repr__(self) -> str:
        return f"Library({str(self.root)!r})"

    def _lookup(self, ref: str) -> Entry:
        found = self._catalogue.lookup(ref)
        if not found:
            raise UnknownRefError(self._unknown(ref))
        if len(found) > 1:
            raise AmbiguousRefError(self._ambiguous(ref, found), [entry.id for entry in found])
        return found[0]

    def _check_name(self, name: str | None, identity: str) -> str | None:
        if name is not None and (others := [other for other in self._catalogue.named(name) if other != identity]):
            raise InvalidInputError(
                f"The name {name!r} is {self.short(others[0])}'s. Choose another, or rename that one."
            )
        return name

    def _noise_of(self, ref: str) -> str:
        """The hash of the noise that all the vectors of a REF share, or that a prefix of hashes leads to."""
        found = self._catalogue.lookup(ref)
        noises = {entry.noise for entry in found}
        if not found and ID_PREFIX.fullmatch(ref.lower()):
            folder = layout.noise_path(self.root, ref.lower()).parent
            noises = {sha256 for sha256 in layout.noises_in(folder) if sha256.startswith(ref.lower())}
        if not noises:
            raise UnknownRefError(self._unknown(ref))
        if len(noises) > 1 and found:
            raise AmbiguousRefError(self._ambiguous(ref, found), [entry.id for entry in found])
        if len(noises) > 1:
            raise AmbiguousRefError(f"{ref!r} begins the hashes of {len(noises)} noises.", sorted(noises))
        return noises.pop()

    def _remove_noise_unless_used(self, sha256: str) -> None:
        """Takes a noise aside, looks again who needs it, and only then lets it go.

        A writer publishes noise, then vector, then looks whether the noise is still there. So whichever of the two
        looks last sees what the other did, and puts the noise back.
        """
        path = layout.noise_path(self.root, sha256)
        if self._catalogue.uses(sha256) or not path.exists():
            return
        aside = path.with_name(f".{secrets.token_hex(8)}.tmp")
        path.rename(aside)
        if self._catalogue.uses(sha256) and not path.exists():
            aside.rename(path)
        else:
            aside.unlink()
        disk.sync_folder(path.parent)

    def _unknown(self, ref: str) -> str:
        close = difflib.get_close_matches(ref, self._catalogue.words(), n=3)
        hint = f" Did you mean {', '.join(map(repr, close))}?" if close else ""
        return (
            f"Nothing in {self.root} is called {ref!r}.{hint} A REF is a name, a concept, or the first {MIN_PREFIX} "
            "or more digits of an id."
        )

    def _ambiguous(self, ref: str, found: list[Entry]) -> str:
        lines = [f"  {self.short(e.id)}  {e.concept!r}  {e.prompt!r}  seed {e.seed}" for e in found[:10]]
        more = [f"  and {len(found) - 10} more"] if len(found) > 10 else []
        return "\n".join([f"{ref!r} names {len(found)} vectors; take the first digits of one:", *lines, *more])
