"""Captions: a small grammar over a picture's attributes, and the prompts of the study.

Sentences (60%), shuffled tags (22%) and single concepts (18%). What a figure wears is mentioned in nine captions of
ten that are not a single concept, what it does not wear never: so a prompt that is silent about glasses means no
glasses, while a bare `glasses` says nothing about the rest, as the empty prompt does. Where the figure stands is
never captioned: that is left to the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from media import BACKGROUNDS, MEDIA

WORN = ("glasses", "beard", "hat", "smile")
HAIR_COLOURS = ("black", "blond", "red", "blue", "grey")
HAIR_LENGTHS = ("short", "long")

MEDIUM_WORDS = {
    "cartoon": ("cartoon", "cartoon", "flat cartoon"),
    "pencil drawing": ("pencil drawing", "pencil drawing", "pencil sketch", "drawing"),
    "photograph": ("photograph", "photograph", "photo"),
    "pixel art": ("pixel art", "pixel art", "8-bit pixel art"),
    "watercolour": ("watercolour", "watercolour", "watercolor", "watercolour painting"),
}
WORN_WORDS = {
    "glasses": ("glasses", "glasses", "spectacles", "eyeglasses"),
    "beard": ("a beard", "a beard", "a dark beard"),
    "hat": ("a hat", "a hat", "a brown hat"),
    "smile": ("a smile", "a smile", "a big smile"),
}


@dataclass(frozen=True)
class Picture:
    """What captions can say of a picture: the values of its attributes."""

    medium: str
    background: str
    hair: str
    length: str
    worn: frozenset[str]

    @classmethod
    def of(cls, figure: dict[str, Any], medium: int) -> Picture:
        """The picture of a rendered figure in the medium of this index."""
        return cls(
            medium=list(MEDIA)[medium],
            background=figure["backgrounds"][medium],
            hair=figure["hair"],
            length=figure["length"],
            worn=frozenset(name for name in WORN if figure[name]),
        )


def _join(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def _article(words: str) -> str:
    return ("an " if words[0] in "aeiou8" else "a ") + words


class Grammar:
    """Draws captions; one seed, one sequence."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def _chance(self, probability: float) -> bool:
        return bool(self._rng.random() < probability)

    def _pick(self, words: Sequence[str]) -> str:
        return words[int(self._rng.integers(len(words)))]

    def _subject(self, picture: Picture) -> str:
        if self._chance(0.5):
            return self._pick(("person", "person", "face", "portrait"))
        bearded_or_short = "beard" in picture.worn or picture.length == "short"
        return self._pick(("man", "king") if bearded_or_short else ("woman", "queen"))

    def _hair(self, picture: Picture) -> str | None:
        colour, length = self._chance(0.6), self._chance(0.4)
        words = [*([picture.length] if length else []), *([picture.hair] if colour else [])]
        return " ".join([*words, "hair"]) if words else None

    def _worn(self, picture: Picture) -> list[str]:
        names = [name for name in WORN if name in picture.worn and self._chance(0.9)]
        self._rng.shuffle(names)
        return [self._pick(WORN_WORDS[name]) for name in names]

    def sentence(self, picture: Picture) -> str:
        """As a person would write a prompt."""
        subject = self._subject(picture)
        medium = self._pick(MEDIUM_WORDS[picture.medium]) if self._chance(0.75) else None
        if subject == "portrait":
            text = _article(f"{medium} portrait" if medium else "portrait")
        elif medium:
            text = (
                f"{_article(medium)} of {_article(subject)}" if self._chance(0.75) else f"{_article(subject)}, {medium}"
            )
        else:
            text = f"a portrait of {_article(subject)}" if self._chance(0.6) else _article(subject)
        hair = self._hair(picture)
        traits = [*([hair] if hair else []), *self._worn(picture)]
        if traits:
            text += (" with " if ", " not in text else ", ") + _join(traits)
        if self._chance(0.45):
            text += self._pick((" on a {} background", ", {} background")).format(picture.background)
        return text

    def tags(self, picture: Picture) -> str:
        """Attributes in any order."""
        parts = [part.removeprefix("a ") for part in self._worn(picture)]
        if self._chance(0.7):
            parts.append(self._pick(MEDIUM_WORDS[picture.medium]))
        if self._chance(0.5):
            parts.append(f"{picture.background} background")
        hair = self._hair(picture)
        if hair:
            parts.append(hair)
        if not parts or self._chance(0.2):
            parts.append(self._subject(picture))
        self._rng.shuffle(parts)
        return ", ".join(parts)

    def concept(self, picture: Picture) -> str:
        """One attribute alone, as SEGA's concepts are written."""
        options = [self._pick(WORN_WORDS[name]) for name in WORN if name in picture.worn]
        options = [option.removeprefix("a ") if self._chance(0.8) else option for option in options]
        if not options or self._chance(0.45):
            others = (
                self._pick(MEDIUM_WORDS[picture.medium]),
                f"{picture.hair} hair",
                f"{picture.length} hair",
                f"{picture.background} background",
            )
            options = [self._pick(others)]
        return self._pick(options)

    def caption(self, picture: Picture) -> str:
        """One caption of any kind."""
        kind = self._rng.random()
        if kind < 0.60:
            return self.sentence(picture)
        return self.tags(picture) if kind < 0.82 else self.concept(picture)


def vocabulary_pictures(rng: np.random.Generator, count: int) -> list[Picture]:
    """Random pictures' attributes, to train the tokenizer and the text encoder on captions without any picture."""

    def pick(values: Sequence[str]) -> str:
        return values[int(rng.integers(len(values)))]

    return [
        Picture(
            medium=pick(list(MEDIA)),
            background=pick(list(BACKGROUNDS)),
            hair=pick(HAIR_COLOURS),
            length=pick(HAIR_LENGTHS),
            worn=frozenset(name for name in WORN if rng.random() < 0.35),
        )
        for _ in range(count)
    ]
