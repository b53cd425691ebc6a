"""Rules that several records share, each a function that returns the valid value or raises."""

import math
import operator
import re
import unicodedata
from collections.abc import Iterable
from types import UnionType
from typing import Any, TypeVar

from sega_store.errors import InvalidInputError

T = TypeVar("T")

DTYPES = ("float32", "float16", "bfloat16")  # the dtypes that latents come in
MAX_INTEGER = (1 << 63) - 1
MAX_SEED = (1 << 64) - 1  # torch's
_SHA256 = re.compile(r"[0-9a-f]{64}")


def text(name: str, value: str) -> str:
    """A text that isn't blank and that UTF-8 can hold."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{name} must not be blank, met {value!r}.")
    return encodable(name, value)


def line(name: str, value: str) -> str:
    """A text of one printable line without spaces around it."""
    if not text(name, value).isprintable() or value != value.strip():
        raise InvalidInputError(f"{name} must be one printable line without spaces around it, met {value!r}.")
    return value


def encodable(name: str, value: str) -> str:
    """A text, perhaps empty, that UTF-8 can hold."""
    try:
        value.encode()
    except (AttributeError, UnicodeEncodeError):
        raise InvalidInputError(f"{name} must be a text without lone surrogates, met {value!r}.") from None
    return value


def composed(text: str) -> str:
    """A text as most keyboards write it (Unicode's NFC): texts that look the same are the same."""
    if not isinstance(text, str):
        raise InvalidInputError(f"A REF, name or word is a text, met a {type(text).__name__}: {_met(text)[:80]}.")
    return unicodedata.normalize("NFC", text)


def finite(name: str, value: float) -> float:
    """A finite float; -0.0 becomes 0.0, so that equal records have equal texts."""
    try:
        number = float(value) + 0.0
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, str):
        raise InvalidInputError(f"{name} must be a finite number, met {_met(value)}.")
    return number


def integer(name: str, value: int, minimum: int = 0, maximum: int = MAX_INTEGER) -> int:
    """An int from `minimum` to `maximum`; numpy's integers become Python's."""
    try:
        number = operator.index(value)
    except TypeError:
        number = minimum - 1
    if number < minimum or isinstance(value, bool):
        raise InvalidInputError(f"{name} must be a whole number of at least {minimum}, met {_met(value)}.")
    if number > maximum:
        raise InvalidInputError(f"{name} must be a whole number of at most {maximum}, met a larger one.")
    return number


def seed(name: str, value: int | None) -> int | None:
    """A generator's seed, as torch's `initial_seed` gives it, or None."""
    return None if value is None else integer(name, value, maximum=MAX_SEED)


def sha256(name: str, value: str) -> str:
    """A sha256 as 64 lower-case hexadecimal digits."""
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise InvalidInputError(f"{name} must be a sha256 as 64 lower-case hexadecimal digits, met {value!r}.")
    return value


def instance(name: str, value: T, kind: type | UnionType, remedy: str) -> T:
    """An object of a class."""
    if not isinstance(value, kind):
        raise InvalidInputError(
            f"{name} must be a {getattr(kind, '__name__', kind)}, met a {type(value).__name__}: {remedy}"
        )
    return value


def instances(name: str, values: Any, kind: type[T], remedy: str) -> tuple[T, ...]:
    """Several objects of one class, not one alone."""
    several = isinstance(values, Iterable) and not isinstance(values, kind | str)
    listed = tuple(values) if several else (values,)
    wrong = [value for value in listed if not (several and isinstance(value, kind))]
    if wrong:
        raise InvalidInputError(f"{name} must be a list of {kind.__name__}, met a {type(wrong[0]).__name__}: {remedy}")
    return listed


def _met(value: object) -> str:
    """A value in a message; Python prints no integer of more than 4,300 digits."""
    try:
        return repr(value)
    except ValueError:
        return "one of thousands of digits"
