"""What runs have to say beside their pictures."""

from sega_cli.printing.run_notes import RunNotes


def test_a_remark_is_said_once_and_what_concerns_a_picture_for_each() -> None:
    said: list[str] = []
    notes = RunNotes(said.append)
    for picture in ("one.png", "two.png"):
        notes.add(["a picture of x was cut", "picture 1 was blanked by the safety checker", "odd\x1b[0m"], picture)
    assert said == [
        "a picture of x was cut",
        "one.png: picture 1 was blanked by the safety checker",
        "odd�[0m",
        "two.png: picture 1 was blanked by the safety checker",
    ]
