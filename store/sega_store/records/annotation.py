"""What is said of a vector: a name, tags, a rating, notes and a recommendation, in a small file beside the vectors.

The only editable thing in a library. It is replaced atomically; of two writers at once the last wins.
"""

from dataclasses import dataclass

from sega_store.errors import InvalidInputError
from sega_store.records import rules
from sega_store.records.json_record import Record, canonical_json, parse_json
from sega_store.records.recommendation import Recommendation

PLAIN_FORMAT, RECOMMENDING_FORMAT = 1, 2
"""Without a recommendation, an annotation is written as the first format had it, so that older readers read it."""
MAX_ANNOTATION_BYTES = 1 << 16


@dataclass(frozen=True)
class Annotation(Record):
    """What is said of one vector.

    Attributes:
        name: A name to call it by; one line.
        tags: Sorted, each once.
        rating: From 1 to 5.
        notes: Free text.
        recommended: Edit parameters to apply the vector with.
    """

    name: str | None = None
    tags: tuple[str, ...] = ()
    rating: int | None = None
    notes: str = ""
    recommended: Recommendation | None = None

    def __post_init__(self) -> None:
        if self.name is not None:
            rules.line("A name", self.name)
        for tag in rules.instances("tags", self.tags, str, "pass ['a tag', 'another']"):
            rules.line("A tag", tag)
        object.__setattr__(self, "tags", tuple(sorted(set(self.tags))))
        if self.rating is not None and not 1 <= rules.integer("A rating", self.rating) <= 5:
            raise InvalidInputError(f"A rating must be from 1 to 5, met {self.rating}.")
        rules.encodable("notes", self.notes)
        if self.recommended is not None:
            rules.instance("recommended", self.recommended, Recommendation, "make one of sega_store.Recommendation")
        if len(self.to_bytes()) > MAX_ANNOTATION_BYTES:
            raise InvalidInputError(f"A name, tags and notes may take {MAX_ANNOTATION_BYTES} bytes together.")

    def to_bytes(self) -> bytes:
        """The bytes of its file."""
        facts = {"format": RECOMMENDING_FORMAT, **self.to_json()}
        if facts["recommended"] is None:
            del facts["recommended"]
            facts["format"] = PLAIN_FORMAT
        return canonical_json(facts) + b"\n"


NOTHING_SAID = Annotation()


def parse_annotation(data: bytes) -> Annotation:
    """Reads the bytes of such a file, which aren't trusted.

    Raises:
        InvalidInputError: The bytes are too many, damaged, or of another format.
    """
    if len(data) > MAX_ANNOTATION_BYTES:
        raise InvalidInputError(f"it has {len(data)} bytes, more than the limit of {MAX_ANNOTATION_BYTES}")
    facts = parse_json(data)
    version = facts.pop("format", None) if isinstance(facts, dict) else None
    if type(version) is not int or version not in (PLAIN_FORMAT, RECOMMENDING_FORMAT):
        raise InvalidInputError(f"it isn't an annotation of format {PLAIN_FORMAT} or {RECOMMENDING_FORMAT}")
    if version == PLAIN_FORMAT and "recommended" not in facts:
        facts["recommended"] = None
    elif version == PLAIN_FORMAT:
        raise InvalidInputError(f"it recommends, as annotations of format {RECOMMENDING_FORMAT} do, and is of another")
    return Annotation.from_json(facts)
