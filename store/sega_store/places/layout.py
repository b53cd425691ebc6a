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


def files_in(folder: Path, kind: str) -> dict[str, os.DirEntry[str]]:
    """A fan-out folder's files, by id or hash. Other names, such as temporary ones, are passed over."""
    suffix, pattern = _NAMES[kind]
    stems = ((entry.name.removesuffix(suffix), entry) for entry in _entries(folder) if entry.name.endswith(suffix))
    return {stem: entry for stem, entry in stems if pattern.fullmatch(stem) and stem.startswith(folder.name)}


def keys(root: Path, prefix: str) -> Iterator[str]:
    """The keys of a library's files that begin with a kind and a slash, and perhaps more; in their order."""
    kind, _, start = prefix.partition("/")
    for name in sorted(folder.name for folder in folders(root, kind)):
        if f"{name}/".startswith(start[:3]):
            found = (f"{kind}/{name}/{file.name}" for file in files_in(root / kind / name, kind).values())
            yield from (key for key in sorted(found) if key.startswith(prefix))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with library_errors(f"Listing {folder}"):
        try:
            with os.scandir(folder) as entries:
                return list(entries)
        except FileNotFoundError:
            return []
