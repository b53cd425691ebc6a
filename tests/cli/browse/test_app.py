"""The application as a whole."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_the_gallery_is_the_first_page(page: "Page") -> None:
    page.goto("/")
    assert page.title() == "Gallery · sega-vectors"
    assert page.get_by_text("a pencil drawing of a king").count()
