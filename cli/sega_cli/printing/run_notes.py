"""What runs have to say beside their pictures: each remark is printed once, those about a picture for each picture."""

from collections.abc import Callable, Iterable

from sega_cli.printing.terminal import clean

_OF_PICTURE = "blanked by the safety checker"


class RunNotes:
    """The remarks of several runs; `say` prints one."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._said: set[str] = set()

    def add(self, notes: Iterable[str], picture: str) -> None:
        """Print the remarks of a run that are new; `picture` is the name of its picture."""
        for note in notes:
            text = f"{picture}: {note}" if note.endswith(_OF_PICTURE) else note
            if text not in self._said:
                self._said.add(text)
                self._say(clean(text))
