"""Reading what is said of a library's vectors."""

from pathlib import Path

from sega_store.files.regular_file import at_most, file_errors, read_regular
from sega_store.places import layout
from sega_store.places.files import Files
from sega_store.records.annotation import MAX_ANNOTATION_BYTES, NOTHING_SAID, Annotation, parse_annotation

check_annotation_size = at_most(MAX_ANNOTATION_BYTES)


def read_annotation(path: Path) -> Annotation:
    """Reads the file, which isn't trusted.

    Raises:
        VectorFileError: It is damaged, or of another format.
    """
    with file_errors(path):
        return parse_annotation(read_regular(path, check_annotation_size))


def load_annotation(files: Files, identity: str) -> Annotation:
    """What is said of a library's vector; as `read_annotation`."""
    key = layout.annotation_key(identity)
    return files.load(key, check_annotation_size, parse_annotation) if files.exists(key) else NOTHING_SAID
