import pytest

from sega_store import Concept, InvalidInputError
from sega_store.records.json_record import MAX_JSON_BYTES, canonical_json, parse_json


def test_canonical_json_is_one_text() -> None:
    assert canonical_json({"b": [1, 1.0, None], "a": "é\n"}) == '{"a":"é\\n","b":[1,1.0,null]}'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": object()}, "\ud800", {1: 2, "a": 3}])
def test_what_has_no_json_is_refused(value: object) -> None:
    with pytest.raises(InvalidInputError, match="plain JSON"):
        canonical_json(value)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b'"' + b" " * MAX_JSON_BYTES + b'"',
        b'"' + b'\\"' * 500_000 + b"{" * 40,
        b"9" * 10_000,
        b"\xff",
        b"{",
        b"",
    ],
)
def test_hostile_json_is_refused_in_bounded_time(data: bytes) -> None:
    with pytest.raises(InvalidInputError):
        parse_json(data)


def test_brackets_in_strings_are_no_depth() -> None:
    assert parse_json(b'["' + b"[{" * 50 + b'"]') == ["[{" * 50]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("text", 3),
        ("edit_guidance_scale", 5),  # 5.0 is a float in canonical JSON
        ("edit_warmup_steps", True),
        ("edit_cooldown_steps", 1.5),
        ("reverse_editing_direction", 0),
        ("colour", "red"),
        ("text", None),
    ],
)
def test_reading_a_record_is_strict(key: str, value: object) -> None:
    facts = Concept("glasses", edit_warmup_steps=10).to_json()
    assert Concept.from_json(facts) == Concept("glasses", edit_warmup_steps=10)
    with pytest.raises(InvalidInputError):
        Concept.from_json(facts | {key: value})
    with pytest.raises(InvalidInputError, match="keys"):
        Concept.from_json({name: fact for name, fact in facts.items() if name != "text"})
    with pytest.raises(InvalidInputError, match="list"):
        Concept.from_json([])
