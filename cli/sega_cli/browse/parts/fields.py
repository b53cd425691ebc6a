"""The fields of a form that a page has sent, as texts and numbers."""

import math
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData

from sega_store import InvalidInputError

MOST_FIELDS = 200


@dataclass(frozen=True)
class Fields:
    """A form's fields; each may occur several times."""

    form: FormData

    def texts(self, name: str) -> list[str]:
        """All values of a field, without the blanks around them."""
        return [value.strip() for value in self.form.getlist(name) if isinstance(value, str)]

    def text(self, name: str) -> str:
        """The value of a field; empty if it is not there."""
        return next(iter(self.texts(name)), "")

    def lines(self, name: str) -> list[str]:
        """The lines of a field that are not blank, each once."""
        return list(dict.fromkeys(line.strip() for line in self.text(name).splitlines() if line.strip()))

    def number(self, name: str) -> float | None:
        """A number; None if the field is empty."""
        text = self.text(name)
        return _number(name, text) if text else None

    def whole(self, name: str) -> int | None:
        """A whole number; None if the field is empty."""
        number, text = self.number(name), self.text(name)
        if number is None:
            return None
        if len(text) > 20 or not number.is_integer():
            raise InvalidInputError(f"{name} must be a whole number, met {text[:40]!r}: write one such as 20.")
        return int(text) if text.lstrip("+-").isdigit() else int(number)

    def numbers(self, name: str, count: int) -> list[float]:
        """The numbers of a field that occurs `count` times.

        Raises:
            InvalidInputError: The field occurs more or fewer times.
        """
        texts = self.texts(name)
        if len(texts) != count:
            raise InvalidInputError(f"{name} is wanted once for each of {count} vectors, met {len(texts)} times.")
        return [_number(name, text) for text in texts]


async def _fields(request: Request) -> Fields:
    return Fields(await request.form(max_files=0, max_fields=MOST_FIELDS))


FieldsOf = Annotated[Fields, Depends(_fields)]


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidInputError(f"{name} must be a number, met {text[:40]!r}: write one such as 7.5.")
    return number
