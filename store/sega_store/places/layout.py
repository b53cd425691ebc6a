"""Where things are in a library: their keys, which are paths within a folder and names within an object store.

vectors/<aa>/<recipe>.<content>.zarr.zip        aa: the first two digits of the recipe
annotations/<aa>/<recipe>.<content>.json
noise/<aa>/<sha256>.zarr.zip                    aa: the first two digits of the hash
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from sega_store.places.disk import library_errors

VECTORS, ANNOTATIONS, NOISE = "vectors", "annotations", "noise"
SUFFIX = ".zarr.zip"

_FOLDER = re.compile(r"[0-9a-f]{2}")
_ID = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAMES = {VECTORS: (SUFFIX, _ID), NOISE: (SUFFIX, _SHA256), ANNOTATIONS: (".json", _ID)}
KINDS = tuple(_NAMES)


def vector_key(identity: str) -> str:
    """The key of a vector."""
    return f"{VECTORS}/{identity[:2]}/{identity}{SUFFIX}"


def annotation_key(identity: str) -> str:
    """The key of a vector's annotation."""
    return f"{ANNOTATIONS}/{identity[:2]}/{identity}.json"


def noise_key(sha256: str) -> str:
    """The key of an initial noise."""
    return f"{NOISE}/{sha256[:2]}/{sha256}{SUFFIX}"


def vector_path(root: Path, identity: str) -> Path:
    """The file of a vector."""
    return root / vector_key(identity)


def annotation_path(root: Path, identity: str) -> Path:
    """The file of a vector's annotation."""
    return root / annotation_key(identity)


def noise_path(root: Path, sha256: str) -> Path:
    """The file of an initial noise."""
    return root / noise_key(sha256)


def kind_of(name: str) -> str | None:
    """`vectors`, `annotations` or `noise`, for the path of such a file within a library; None for any other name."""
    for kind, (suffix, pattern) in _NAMES.items():
        stem = name.rpartition("/")[2].removesuffix(suffix)
        if pattern.fullmatch(stem) and name == f"{kind}/{stem[:2]}/{stem}{suffix}":
            return kind
    return None


def stem_of(key: str) -> str:
    """The id or hash in a key."""
    return key.rpartition("/")[2].removesuffix(SUFFIX).removesuffix(".json")


def folders(root: Path, kind: str) -> Iterator[os.DirEntry[str]]:
    """The fan-out folders of `vectors`, `annotations` or `noise`; none if there is no such folder yet."""
    yield from (entry for entry in _entries(root / kind) if _FOLDER.fullmatch(entry.name) and entry.is_dir())


def vectors_in(folder: Path) -> dict[str, os.DirEntry[str]]:
    """The vectors' files in a fan-out folder, by id. Other names, such as temporary ones, are passed over."""
    return _named(folder, *_NAMES[VECTORS])


def annotations_in(folder: Path) -> dict[str, os.DirEntry[str]]:
    """The annotations' files in a fan-out folder, by the vector's id."""
    return _named(folder, *_NAMES[ANNOTATIONS])


def files(root: Path) -> Iterator[Path]:
    """All files of a library: vectors, noises and annotations, each in the order of their names."""
    for kind in KINDS:
        for folder in sorted(entry.path for entry in folders(root, kind)):
            yield from sorted(Path(folder) / name for name in names_in(Path(folder), kind))


def names_in(folder: Path, kind: str) -> list[str]:
    """The names of a fan-out folder's files."""
    return [entry.name for entry in _named(folder, *_NAMES[kind]).values()]


def _named(folder: Path, suffix: str, pattern: re.Pattern[str]) -> dict[str, os.DirEntry[str]]:
    stems = ((entry.name.removesuffix(suffix), entry) for entry in _entries(folder) if entry.name.endswith(suffix))
    belongs = folder.name
    return {stem: entry for stem, entry in stems if pattern.fullmatch(stem) and stem.startswith(belongs)}


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with library_errors(f"Listing {folder}"):
        try:
            with os.scandir(folder) as entries:
                return list(entries)
        except FileNotFoundError:
            return []
