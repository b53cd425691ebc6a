"""Records: frozen dataclasses that are JSON both ways, and the canonical JSON that is hashed and stored.

Canonical JSON is what Python's `json.dumps` writes with sorted keys, the separators `,` and `:`, non-ASCII text as it
is and UTF-8: a float is its shortest repr and always has a point or an exponent, an integer never has. NaN and the
infinities have no JSON and are refused.
"""

import json
import re
import types
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from itertools import accumulate
from typing import Any, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from sega_store.errors import InvalidInputError

JSON: TypeAlias = Any  # None, bool, int, float, str, list[JSON] or dict[str, JSON]
MAX_JSON_BYTES = 1 << 20
MAX_JSON_DEPTH = 32
MAX_INTEGER_DIGITS = 100

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)  # linear, also in a string without an end
_R = TypeVar("_R", bound="Record")


def canonical_json(value: JSON) -> bytes:
    """The one text of a JSON value.

    Raises:
        InvalidInputError: The value isn't plain JSON: NaN, an infinity, a numpy scalar, a lone surrogate.
    """
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"Facts must be plain JSON with finite numbers: {error}") from None


def parse_json(data: bytes) -> JSON:
    """Reads JSON from an untrusted source, in bounded memory and depth.

    Raises:
        InvalidInputError: The text is too long or too deep, or isn't JSON.
    """
    if len(data) > MAX_JSON_BYTES:
        raise InvalidInputError(f"its JSON has {len(data)} bytes, more than the limit of {MAX_JSON_BYTES}")
    if too_deep(data):
        raise InvalidInputError(f"its JSON is nested deeper than the limit of {MAX_JSON_DEPTH}")
    return load_json(data)


def too_deep(data: bytes) -> bool:
    """Whether JSON is nested deeper than a reader accepts."""
    if data.count(b"[") + data.count(b"{") <= MAX_JSON_DEPTH:
        return False
    steps = (1 if token[0] in b"[{" else -1 if token[0] in b"]}" else 0 for token in _TOKEN.finditer(data))
    return max(accumulate(steps)) > MAX_JSON_DEPTH


def load_json(data: bytes) -> JSON:
    """Reads JSON whose length and depth are bounded.

    Raises:
        InvalidInputError: The text isn't JSON, or has an integer of more than 100 digits.
    """
    try:
        return json.loads(data.decode(), parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"its JSON can't be read: {error}") from None


def _integer(text: str) -> int:
    if (digits := len(text.removeprefix("-"))) > MAX_INTEGER_DIGITS:
        raise ValueError(f"an integer has {digits} digits, more than the limit of {MAX_INTEGER_DIGITS}")
    return int(text)


class Record:
    """A base for frozen dataclasses of strings, numbers, tuples, mappings and other records."""

    def to_json(self) -> dict[str, JSON]:
        """The record as plain JSON, one key per field."""
        return {name: _plain(getattr(self, name)) for name in _hints(type(self))}  # type: ignore[arg-type]

    @classmethod
    def from_json(cls: type[_R], data: JSON) -> _R:
        """Reads what `to_json` wrote.

        Raises:
            InvalidInputError: A key is unknown or missing, a value has another type, or breaks a rule of the record.
        """
        hints = _hints(cls)  # type: ignore[arg-type]  # mypy takes the instances' __hash__ for the class's own
        if not isinstance(data, dict) or data.keys() != hints.keys():
            met = f"the keys {sorted(data)}" if isinstance(data, dict) else type(data).__name__
            raise InvalidInputError(f"{cls.__name__} must be an object with the keys {sorted(hints)}, met {met}.")
        return cls(**{key: _typed(hint, data[key], f"{cls.__name__}.{key}") for key, hint in hints.items()})


@cache
def _hints(cls: Any) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}


def _plain(value: Any) -> JSON:
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def _typed(hint: Any, value: JSON, where: str) -> Any:
    """The value as its type hint requires; only lists become tuples, and objects records."""
    if type(value) is hint or hint is Any:  # not isinstance: True is no int, 1 is no float
        return value
    origin, args = _parts(hint)
    if origin in (Union, types.UnionType):
        return None if value is None else _typed(args[0], value, where)
    if origin is tuple and isinstance(value, list):
        return tuple(_typed(args[0], item, where) for item in value)
    if origin is Mapping and isinstance(value, dict):
        return {key: _typed(args[1], item, f"{where}[{key!r}]") for key, item in value.items()}
    if origin is Record:
        return hint.from_json(value)
    raise InvalidInputError(f"{where} must be of type {hint}, met {value!r}.")


@cache
def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """What a hint is made of; asking `typing` each time takes a third of a listing."""
    if isinstance(hint, type) and issubclass(hint, Record):
        return Record, ()
    return get_origin(hint), get_args(hint)
