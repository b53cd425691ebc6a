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

WORN = ("glasses", "beard", "hat", "smile", "frown", "earrings", "scarf", "blush")
FAMILIES = ("person", "cat", "robot")
HAIR_COLOURS = ("black", "blond", "red", "blue", "grey")
HAIR_LENGTHS = ("short", "long")
HAIR_TEXTURES = ("straight", "curly")

MEDIUM_WORDS = {
    "cartoon": ("cartoon", "cartoon", "flat cartoon"),
    "pencil drawing": ("pencil drawing", "pencil drawing", "pencil sketch"),
    "ink drawing": ("ink drawing", "ink drawing", "pen and ink drawing"),
    "photograph": ("photograph", "photograph", "photo"),
    "night photograph": ("night photograph", "night photograph", "photo at night"),
    "pixel art": ("pixel art", "pixel art", "8-bit pixel art"),
    "watercolour": ("watercolour", "watercolour", "watercolor", "watercolour painting"),
    "oil painting": ("oil painting", "oil painting", "oil on canvas"),
}
WORN_WORDS = {
    "glasses": ("glasses", "glasses", "spectacles", "eyeglasses"),
    "beard": ("a beard", "a beard", "a full beard"),
    "hat": ("a hat", "a hat", "a brown hat"),
    "smile": ("a smile", "a smile", "a big smile"),
    "frown": ("a frown", "a frown", "a sad frown"),
    "earrings": ("earrings", "earrings", "gold earrings"),
    "scarf": ("a scarf", "a scarf", "a red scarf"),
    "blush": ("blush", "blush", "rosy cheeks"),
}


@dataclass(frozen=True)
class Picture:
    """What captions can say of a picture: the values of its attributes; `worn` are names of `WORN`."""

    medium: str
    background: str
    family: str
    hair: str
    length: str
    texture: str
    worn: frozenset[str]

    @classmethod
    def of(cls, figure: dict[str, Any], medium: int) -> Picture:
        """The picture of a rendered figure in the medium of this index."""
        return cls(
            medium=list(MEDIA)[medium],
            background=figure["backgrounds"][medium],
            family=figure["family"],
            hair=figure["hair"],
            length=figure["length"],
            texture=figure["texture"],
            worn=frozenset(name for name in WORN if figure["mood"] == name or figure.get(name)),
        )


def _join(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def article(words: str) -> str:
    """The words with `a` or `an` before them."""
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
        if picture.family != "person":
            return picture.family
        if self._chance(0.6):
            return self._pick(("person", "person", "face"))
        bearded_or_short = "beard" in picture.worn or picture.length == "short"
        return self._pick(("man", "king") if bearded_or_short else ("woman", "queen"))

    def _hair(self, picture: Picture) -> str | None:
        told = ((picture.length, 0.4), (picture.texture, 0.4), (picture.hair, 0.6))
        words = [word for word, probability in told if self._chance(probability)]
        return " ".join([*words, "hair"]) if words else None

    def _worn(self, picture: Picture) -> list[str]:
        names = [name for name in WORN if name in picture.worn and self._chance(0.9)]
        self._rng.shuffle(names)
        return [self._pick(WORN_WORDS[name]) for name in names]

    def sentence(self, picture: Picture) -> str:
        """As a person would write a prompt."""
        subject = article(self._subject(picture))
        if self._chance(0.75):
            medium = self._pick(MEDIUM_WORDS[picture.medium])
            text = f"{article(medium)} of {subject}" if self._chance(0.75) else f"{subject}, {medium}"
        else:
            text = f"a portrait of {subject}" if self._chance(0.6) else subject
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
        if not parts or picture.family != "person" or self._chance(0.2):
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
                f"{picture.texture} hair",
                picture.family,
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
            family=pick(FAMILIES),
            hair=pick(HAIR_COLOURS),
            length=pick(HAIR_LENGTHS),
            texture=pick(HAIR_TEXTURES),
            worn=frozenset(name for name in WORN if rng.random() < 0.3) - {pick(("smile", "frown"))},
        )
        for _ in range(count)
    ]
