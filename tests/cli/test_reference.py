"""docs/cli.md says what the commands say."""

from tests.cli.reference import EXPECTED, PAGE, documented, table, updated


def test_every_command_is_documented() -> None:
    assert documented(PAGE.read_text(encoding="utf-8")) == EXPECTED


def test_the_help_blocks_are_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert updated(page) == page, "run python tests/cli/reference.py"


def test_the_page_holds_the_table_of_edit_parameters() -> None:
    assert table() in PAGE.read_text(encoding="utf-8")
