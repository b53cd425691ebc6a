"""What people say of a vector: a name, tags, a rating and notes, in a small file beside the vectors.

The only editable thing in a library. It is replaced atomically; of two writers at once the last wins.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sega_store import layout, rules
from sega_store.disk import at_most, read_regular
from sega_store.errors import InvalidInputError, VectorFileError
from sega_store.record import Record, canonical_json, parse_json

if TYPE_CHECKING:
    from sega_store.storage import Storage

ANNOTATION_FORMAT = 1
MAX_ANNOTATION_BYTES = 1 << 16


@dataclass(frozen=True)
class Annotation(Record):
    """What is said of one vector.

    Attributes:
        name: By which it can be called; one line.
        tags: Sorted, each once.
        rating: From 1 to 5.
        notes: Free text.
    """

    name: str | None = None
    tags: tuple[str, ...] = ()
    rating: int | None = None
    notes: str = ""

    def __post_init__(self) -> None:
        if self.name is not None:
            _line("A name", self.name)
        for tag in self.tags:
            _line("A tag", tag)
        object.__setattr__(self, "tags", tuple(sorted(set(self.tags))))
        if self.rating is not None and not 1 <= rules.integer("A rating", self.rating) <= 5:
            raise InvalidInputError(f"A rating must be from 1 to 5, met {self.rating}.")
        rules.encodable("notes", self.notes)
        if len(self.to_bytes()) > MAX_ANNOTATION_BYTES:
            raise InvalidInputError(f"A name, tags and notes may take {MAX_ANNOTATION_BYTES} bytes together.")

    def to_bytes(self) -> bytes:
        """Its file."""
        return canonical_json({"format": ANNOTATION_FORMAT, **self.to_json()}) + b"\n"


NOTHING_SAID = Annotation()
check_annotation_size = at_most(MAX_ANNOTATION_BYTES)


def read_annotation(path: Path) -> Annotation:
    """Reads the file, which isn't trusted.

    Raises:
        VectorFileError: It is damaged, or of another format.
    """
    try:
        return parse_annotation(read_regular(path, MAX_ANNOTATION_BYTES)[0])
    except InvalidInputError as error:
        raise VectorFileError(str(path), str(error)) from error.__cause__


def load_annotation(storage: "Storage", identity: str) -> Annotation:
    """What is said of a library's vector; as `read_annotation`."""
    key = layout.annotation_key(identity)
    return storage.load(key, check_annotation_size, parse_annotation) if storage.exists(key) else NOTHING_SAID


def parse_annotation(data: bytes) -> Annotation:
    """Reads the bytes of such a file, which aren't trusted.

    Raises:
        InvalidInputError: They are too many, damaged, or of another format.
    """
    if len(data) > MAX_ANNOTATION_BYTES:
        raise InvalidInputError(f"it has {len(data)} bytes, more than the limit of {MAX_ANNOTATION_BYTES}")
    facts = parse_json(data)
    if not isinstance(facts, dict) or facts.pop("format", None) != ANNOTATION_FORMAT:
        raise InvalidInputError(f"it isn't an annotation of format {ANNOTATION_FORMAT}")
    return Annotation.from_json(facts)


def _line(what: str, text: str) -> None:
    if not rules.text(what, text).isprintable() or text != text.strip():
        raise InvalidInputError(f"{what} must be one printable line without spaces around it, met {text!r}.")
