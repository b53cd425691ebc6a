from pathlib import Path
from typing import Any

import pytest

from sega_store import InvalidInputError
from sega_store.annotation import MAX_ANNOTATION_BYTES, Annotation, read_annotation


def test_the_file_both_ways(tmp_path: Path) -> None:
    said = Annotation("my king", ("b", "a", "b"), 4, "two\nlines")
    path = tmp_path / "said.json"
    path.write_bytes(said.to_bytes())
    assert read_annotation(path) == said
    assert said.tags == ("a", "b")


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": " x"},
        {"name": "two\nlines"},
        {"name": "\x1b[31m"},
        {"tags": ("two\nlines",)},
        {"tags": ("",)},
        {"rating": 0},
        {"rating": 6},
        {"rating": 1.5},
        {"notes": "\ud800"},
        {"notes": "x" * MAX_ANNOTATION_BYTES},
    ],
)
def test_broken_rules_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        Annotation(**fields)
