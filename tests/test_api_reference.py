"""docs/api.md says what the docstrings say."""

import sega_store
import sega_vectors
from tests.api_reference import PAGE, page


def test_every_public_name_is_documented() -> None:
    text = PAGE.read_text(encoding="utf-8")
    own = [f"sega_vectors.{name}" for name in sega_vectors.__all__ if not hasattr(sega_store, name)]
    missing = [
        name for name in (*own, *(f"sega_store.{name}" for name in sega_store.__all__)) if f"### `{name}`\n" not in text
    ]
    assert not missing


def test_the_page_is_up_to_date() -> None:
    assert page() == PAGE.read_text(encoding="utf-8"), "run python tests/api_reference.py"
