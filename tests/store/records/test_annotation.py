from pathlib import Path
from typing import Any

import pytest

from sega_store import InvalidInputError
from sega_store.places.annotations import read_annotation
from sega_store.records.annotation import MAX_ANNOTATION_BYTES, Annotation, parse_annotation
from tests.store.samples import RECOMMENDED


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


def test_without_a_recommendation_the_file_is_that_of_the_first_format() -> None:
    said = Annotation("my king", ("a",), 4, "notes")
    text = b'{"format":1,"name":"my king","notes":"notes","rating":4,"tags":["a"]}\n'
    assert said.to_bytes() == text
    assert parse_annotation(text) == said


def test_a_recommendation_comes_back() -> None:
    said = Annotation(notes="tuned", recommended=RECOMMENDED)
    assert parse_annotation(said.to_bytes()) == said
    assert b'"format":2' in said.to_bytes()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"format":2', b'"format":1'),
        (b'"format":2', b'"format":3'),
        (b'"of":12', b'"of":8'),
        (b'"of":12', b'"of":12.0'),
        (b'"judge"', b'"jury"'),
    ],
)
def test_a_damaged_recommendation_is_refused(old: bytes, new: bytes) -> None:
    data = Annotation(recommended=RECOMMENDED).to_bytes()
    assert old in data
    with pytest.raises(InvalidInputError):
        parse_annotation(data.replace(old, new))


def test_the_file_is_canonical() -> None:
    said = Annotation("König", ("é", "z", "b", "b"), 4, 'two\nlines, "quoted" \\ \x01', RECOMMENDED)
    text = (
        '{"format":2,"name":"König","notes":"two\\nlines, \\"quoted\\" \\\\ \\u0001","rating":4,'
        '"recommended":{"edit_guidance_scale":12.5,"edit_threshold":0.95,"edit_warmup_steps":2,"judge":"embedded",'
        '"of":12,"plain":1,"shown":9},"tags":["b","z","é"]}\n'
    )
    assert said.to_bytes() == text.encode()


def test_other_json_of_the_same_value_is_read_and_written_canonically() -> None:
    text = b'\n{ "tags": ["b", "a", "b"], "rating": null,\r\n\t"notes": "", "name": "K\\u00f6nig", "format": 1 }'
    said = parse_annotation(text)
    assert said == Annotation("König", ("a", "b"))
    assert said.to_bytes() == '{"format":1,"name":"König","notes":"","rating":null,"tags":["a","b"]}\n'.encode()


@pytest.mark.parametrize("version", [b"1.0", b"true", b'"1"', b"null", b"[1]"])
def test_a_format_of_another_type_is_refused(version: bytes) -> None:
    with pytest.raises(InvalidInputError, match="annotation of format"):
        parse_annotation(b'{"format":' + version + b',"name":null,"notes":"","rating":null,"tags":[]}')
