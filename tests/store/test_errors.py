import pickle

import pytest

from sega_store import AmbiguousRefError, SegaError, UnknownRefError, VectorFileError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UnknownRefError("Nothing is called 'x'."), "Nothing is called 'x'."),
        (AmbiguousRefError("Two are.", ["a", "b"]), "Two are."),
        (VectorFileError("x.zarr.zip", "it is cut off"), "x.zarr.zip: it is cut off"),
    ],
)
def test_errors_print_cleanly_and_travel(error: SegaError, text: str) -> None:
    assert str(error) == text
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), text, vars(error))


def test_unknown_refs_are_key_errors() -> None:
    with pytest.raises(KeyError):
        raise UnknownRefError("Nothing is called 'x'.")
    assert issubclass(AmbiguousRefError, LookupError)
    assert AmbiguousRefError("", ["a"]).candidates == ("a",)
