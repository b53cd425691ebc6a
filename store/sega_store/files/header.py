"""The root `zarr.json` of a file: all that is known of a vector or a noise without reading an array.

It is the canonical JSON of a Zarr v3 group whose one attribute, `sega_vectors`, is one of the records below. It is the
first entry of the file, so one small read is enough for a catalogue.
"""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, TypeVar

from sega_store.errors import InvalidInputError
from sega_store.files.regular_file import FIRST_READ_BYTES, HEAD_BYTES, file_errors, read_beginning
from sega_store.files.zip_container import first_entry, first_entry_end
from sega_store.records import rules
from sega_store.records.concept import Concept
from sega_store.records.json_record import MAX_JSON_BYTES, MAX_JSON_DEPTH, Record, canonical_json, parse_json, too_deep
from sega_store.records.preview import check_media_type
from sega_store.records.provenance import Provenance, recipe

if TYPE_CHECKING:  # a listing reads headers, and does without numpy
    from sega_store.records.noise import InitialNoise
    from sega_store.records.vector import GuidanceVector

ROOT_KEY = "zarr.json"
MAX_RANK = 16
MAX_STEPS = 1 << 16  # 65 times the training steps of any model, so lists by step stay small
MAX_ELEMENTS = 1 << 40  # fits SQLite's integers; a reader's own limit on memory is far below


@dataclass(frozen=True)
class PreviewHeader(Record):
    """The lengths of the two pictures, which follow each other in the array `preview`, and their media type."""

    media_type: str
    before: int
    after: int

    def __post_init__(self) -> None:
        check_media_type(self.media_type)
        rules.integer("preview.before", self.before, minimum=1)
        rules.integer("preview.after", self.after, minimum=1)


@dataclass(frozen=True)
class VectorHeader(Record):
    """What a vector's file says of it; the fields are those of `GuidanceVector`."""

    FORMATS: ClassVar = (1, 2)  # that are read; the last is written

    format: int
    kind: str
    content: str
    recipe: str
    shape: tuple[int, ...]
    dtype: str
    nnz: int
    concept: Concept
    provenance: Provenance
    preview: PreviewHeader | None

    def __post_init__(self) -> None:
        _check(self.kind, "vector", self.shape, 3, self.dtype)
        if self.shape[0] > MAX_STEPS:
            raise InvalidInputError(f"its shape {self.shape} has more than {MAX_STEPS} steps")
        rules.sha256("content", self.content)
        if not 0 <= self.nnz <= math.prod(self.shape):
            raise InvalidInputError(f"its nnz is {self.nnz}, for a shape of {self.shape}")
        if recipe(self.concept, self.provenance) != self.recipe:
            raise InvalidInputError("its recipe isn't the hash of its facts")

    @classmethod
    def of(cls, vector: "GuidanceVector") -> "VectorHeader":
        """The header of a vector."""
        preview = vector.preview
        return cls(
            cls.FORMATS[-1],
            "vector",
            vector.content,
            vector.recipe,
            vector.shape,
            vector.dtype,
            vector.nnz,
            vector.concept,
            vector.provenance,
            None if preview is None else PreviewHeader(preview.media_type, len(preview.before), len(preview.after)),
        )

    @property
    def id(self) -> str:
        """The vector's id."""
        return f"{self.recipe}.{self.content}"


@dataclass(frozen=True)
class NoiseHeader(Record):
    """What an initial noise's file says of it; the fields are those of `InitialNoise`."""

    FORMATS: ClassVar = (1,)

    format: int
    kind: str
    sha256: str
    shape: tuple[int, ...]
    dtype: str
    seed: int | None
    device: str

    def __post_init__(self) -> None:
        _check(self.kind, "noise", self.shape, 2, self.dtype)
        rules.sha256("sha256", self.sha256)
        rules.seed("seed", self.seed)

    @classmethod
    def of(cls, noise: "InitialNoise") -> "NoiseHeader":
        """The header of a noise."""
        return cls(cls.FORMATS[-1], "noise", noise.sha256, noise.shape, noise.dtype, noise.seed, noise.device)


Header = TypeVar("Header", VectorHeader, NoiseHeader)


def root_json(header: Record) -> bytes:
    """The root `zarr.json` with the given header.

    Raises:
        InvalidInputError: It is longer or nested deeper than a reader accepts.
    """
    document = {"zarr_format": 3, "node_type": "group", "attributes": {"sega_vectors": header.to_json()}}
    data = canonical_json(document)
    if len(data) > MAX_JSON_BYTES:
        raise InvalidInputError(f"The facts take {len(data)} bytes of JSON, a file holds at most {MAX_JSON_BYTES}.")
    if too_deep(data):
        raise InvalidInputError(
            f"The facts are nested deeper than {MAX_JSON_DEPTH} in a file's JSON. Flatten the arguments or the config."
        )
    return data


def parse_root(data: bytes, kind: type[Header]) -> Header:
    """Reads a root `zarr.json`, which isn't trusted.

    Raises:
        InvalidInputError: It is of a format that isn't read, breaks a rule, or isn't, to the byte, what `root_json`
            writes for its header.
    """
    document = parse_json(data)
    try:
        facts = document["attributes"]["sega_vectors"]
    except (TypeError, KeyError):
        raise InvalidInputError("it is no file of sega-vectors: its root has no such attributes") from None
    version = facts.get("format") if isinstance(facts, dict) else None
    if version not in kind.FORMATS:
        read = " and ".join(map(str, kind.FORMATS))
        raise InvalidInputError(f"it is of format {version!r}, this version reads {read}; upgrade sega-vectors")
    header = kind.from_json(facts)
    if root_json(header) != data:
        raise InvalidInputError("its root zarr.json isn't in the canonical form")
    return header


def root_of(data: bytes) -> bytes:
    """The root `zarr.json` in the bytes of a file, or of its beginning.

    Raises:
        InvalidInputError: The first entry is too long, damaged, or not the root.
    """
    name, root = first_entry(data[: _root_end(data)])
    if name != ROOT_KEY:
        raise InvalidInputError(f"its first entry is {name!r}, expected {ROOT_KEY!r}")
    return root


def read_header(path: str | os.PathLike[str]) -> tuple[VectorHeader, int]:
    """The header of a vector's file, by one small read, and the size of the file. No array is read or checked.

    Raises:
        VectorFileError: The file can't be read, or its beginning is damaged.
    """
    return header_by(os.fspath(path), partial(read_beginning, path))


def header_by(name: str, read: Callable[[int], tuple[bytes, int]]) -> tuple[VectorHeader, int]:
    """As `read_header`, for a file that isn't on a disk.

    Args:
        name: For messages.
        read: Returns the given number of bytes from the file's beginning, and the file's size; raises
            `InvalidInputError`.
    """
    with file_errors(name):
        data, size = read(FIRST_READ_BYTES)
        if (end := _root_end(data)) > len(data):
            data, size = read(end)
        return parse_root(root_of(data), VectorHeader), size


def _root_end(data: bytes) -> int:
    end = first_entry_end(data[:FIRST_READ_BYTES])
    if end > HEAD_BYTES:
        raise InvalidInputError(f"its first entry is longer than the limit of {MAX_JSON_BYTES} bytes")
    return end


def _check(kind: str, expected: str, shape: tuple[int, ...], min_rank: int, dtype: str) -> None:
    if kind != expected:
        raise InvalidInputError(f"it holds a {kind}, expected a {expected}")
    if not min_rank <= len(shape) <= MAX_RANK or min(shape) < 1:
        raise InvalidInputError(f"a {kind} has from {min_rank} to {MAX_RANK} dimensions, none of them 0, met {shape}")
    if math.prod(shape) > MAX_ELEMENTS:
        raise InvalidInputError(f"its shape {shape} has more than {MAX_ELEMENTS} elements")
    if dtype not in rules.DTYPES:
        raise InvalidInputError(f"its dtype is {dtype!r}, expected one of {', '.join(rules.DTYPES)}")
