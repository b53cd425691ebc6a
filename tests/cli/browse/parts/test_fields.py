"""The fields of forms."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.datastructures import FormData, UploadFile

from sega_cli.browse.parts.fields import Fields
from sega_store import InvalidInputError

FORM = Fields(
    FormData(
        [("a", " x "), ("a", "y"), ("lines", "x\r\n\n  y\nx"), ("n", "7.5"), ("n", "-1"), ("w", "20"), ("big", "1e3"),
         ("empty", " "), ("word", "<b>"), ("nan", "nan"), ("inf", "1e999"), ("part", "2.5"), ("huge", "9" * 400),
         ("seed", str(2**63 - 1)), ("file", UploadFile(file=None, filename="x"))]  # type: ignore[arg-type]
    )
)  # fmt: skip


def test_texts_and_numbers() -> None:
    assert FORM.texts("a") == ["x", "y"]
    assert (FORM.text("a"), FORM.text("none"), FORM.text("file")) == ("x", "", "")
    assert FORM.lines("lines") == ["x", "y"]
    assert (FORM.number("n"), FORM.number("empty"), FORM.number("none")) == (7.5, None, None)
    assert FORM.numbers("n", 2) == [7.5, -1.0]
    assert (FORM.whole("w"), FORM.whole("big"), FORM.whole("empty")) == (20, 1000, None)
    assert FORM.whole("seed") == 2**63 - 1, "beyond what a float can tell apart"


@pytest.mark.parametrize(
    "ask",
    [
        lambda: FORM.number("word"),
        lambda: FORM.number("nan"),
        lambda: FORM.number("inf"),
        lambda: FORM.whole("part"),
        lambda: FORM.whole("huge"),
        lambda: FORM.numbers("n", 1),
        lambda: FORM.numbers("none", 1),
    ],
)
def test_what_is_no_number_is_refused(ask: Callable[[], Any]) -> None:
    with pytest.raises(InvalidInputError):
        ask()
