"""Import: the vectors of a bundle with their noises and annotations, into a library."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from sega_store.errors import InvalidInputError, VectorFileError
from sega_store.exchange import bundle
from sega_store.exchange.parcel import Parcel
from sega_store.files.regular_file import user_path
from sega_store.library.library import Library
from sega_store.places import layout
from sega_store.records.annotation import NOTHING_SAID


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes:
        added: The ids of the vectors that are new to the library.
        held: Those of the vectors that it held already.
        unnamed: Those of the vectors that came with a name that is another vector's, or would hide one, and are now
            without.
    """

    added: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()


def import_vectors(
    library: Library,
    path: str | os.PathLike[str],
    step: Callable[[], object] = lambda: None,
    each: Callable[[Imported], object] = lambda done: None,
) -> Imported:
    """Adds the vectors of a bundle, which isn't trusted: all of it is checked before anything is added.

    What the library holds already stays as it is, but gets a noise or an annotation if it has none. If a vector can't
    be added, those before it are taken back; after an interruption they stay, and the same import goes on.

    `step` is called after every vector that was checked, `each` with what was done, also if it was interrupted.

    Raises:
        VectorFileError: It is no bundle, or anything is wrong with it.
        LibraryError: The disk is full, the folder isn't writable, and the like.
    """
    source = user_path(path).absolute()
    checked = 0
    for _ in bundle.read(source):
        checked += 1
        step()
    if not checked:
        raise VectorFileError(str(source), "there is no vector in it")
    added: list[str] = []
    held: list[str] = []
    unnamed: list[str] = []
    try:
        for parcel in bundle.read(source):
            identity = parcel.vector.id
            new = not library.files.exists(layout.vector_key(identity))
            (added if new else held).append(identity)
            if not _place(library, parcel):
                unnamed.append(identity)
    except Exception:
        while added:
            if library.files.exists(layout.vector_key(added[-1])):
                library.remove(added[-1])
            added.pop()
        raise
    except BaseException:
        if added and not library.files.exists(layout.vector_key(added[-1])):
            added.pop()
        raise
    finally:
        done = Imported(tuple(added), tuple(held), tuple(unnamed))
        each(done)
    return done


def _place(library: Library, parcel: Parcel) -> bool:
    """Adds what is new of a parcel; whether its vector could have its name."""
    vector, noise, said = parcel.vector, parcel.noise, parcel.annotation
    has_noise = noise is None or library.files.exists(layout.noise_key(noise.sha256))
    if not (has_noise and library.files.exists(layout.vector_key(vector.id))):
        library.add(vector, noise)
    if said == NOTHING_SAID or library.files.exists(layout.annotation_key(vector.id)):
        return True
    others = said.tags, said.rating, said.notes, said.recommended
    try:
        library.annotate(vector.id, said.name, *others)
    except InvalidInputError:  # another vector has the name, and here it stays with that one
        library.annotate(vector.id, ..., *others)
        return False
    return True
