"""Removing a vector, so that nobody loses anything: neither a writer who comes at that moment, nor one who was killed.

A noise, or an annotation, goes when no vector needs it. It is first set aside, under a name that tells what it is, then
the vectors are looked at again, and it is put back if one needs it. A writer publishes noise, then vector, then looks
whether the noise is still there; so whichever of the two looks last sees what the other did. That holds for whoever
takes the second look, so what a killed removal has set aside can be settled by anybody, at any time.
"""

import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from sega_store.places import disk, layout
from sega_store.places.index import Listing

_ASIDE = re.compile(r"\.(.+)\.[0-9a-f]{16}\.tmp")


def remove(root: Path, listing: Listing, identity: str, noise: str) -> None:
    """Removes a vector, then what is said of it, then its noise if no other vector needs it.

    Raises:
        OSError: The folder isn't writable, and the like.
    """
    path = root / layout.vector_key(identity)
    path.unlink(missing_ok=True)
    if path.parent.is_dir():
        disk.sync_folder(path.parent)
    for key in (layout.annotation_key(identity), layout.noise_key(noise)):
        let_go(root / key, partial(is_needed, root, listing))


def is_needed(root: Path, listing: Listing, path: Path) -> bool:
    """Whether the library has a vector to which a noise or an annotation belongs, given its path."""
    if path.parents[1].name == layout.NOISE:
        return listing.uses(path.name.removesuffix(layout.SUFFIX))
    return disk.exists(root / layout.vector_key(path.stem))


def let_go(path: Path, needed: Callable[[Path], bool]) -> None:
    """Removes a file that may be needed again at any moment, unless it is needed."""
    if needed(path) or not disk.exists(path):
        return
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    with suppress(FileNotFoundError):  # another removal was faster
        path.rename(aside)
        settle(aside, needed)


def settle(aside: Path, needed: Callable[[Path], bool]) -> None:
    """Ends a removal: what was set aside is put back or deleted."""
    if needed(_original(aside)):
        _put_back(aside)
    aside.unlink(missing_ok=True)
    disk.sync_folder(aside.parent)


def asides_in(folder: Path) -> list[Path]:
    """What removals that are under way, or were killed, have set aside in a folder."""
    paths = (path for path in disk.temporaries_in(folder) if _ASIDE.fullmatch(path.name))
    return [path for path in paths if layout.kind_of("/".join(_original(path).parts[-3:]))]


def recover(path: Path) -> bool:
    """Puts back a file, if it isn't there and a removal has set it aside; whether it is there now.

    Raises:
        LibraryError: The folder isn't writable, and the like.
    """
    with disk.library_errors(f"Putting back {path}"):
        if not disk.exists(path) and path.parent.is_dir():
            for aside in asides_in(path.parent):
                if _original(aside) == path:
                    _put_back(aside)
        return disk.exists(path)


def _original(aside: Path) -> Path:
    return aside.with_name(_ASIDE.sub(r"\1", aside.name))


def _put_back(aside: Path) -> None:
    with suppress(FileExistsError, FileNotFoundError):  # it is there again, or somebody has settled it
        os.link(aside, _original(aside))
    disk.sync_folder(aside.parent)
