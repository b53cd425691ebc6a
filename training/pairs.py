"""The pairs of prompts on which transfer is measured: half differ in the medium, half in one other attribute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from captions import FAMILIES, HAIR_COLOURS, article
from media import BACKGROUNDS, MEDIA

SOURCES = 16  # different source prompts of either kind; each occurs at several noises


@dataclass(frozen=True)
class Pair:
    """A vector is recorded on `source` and applied to `target`; neither mentions anything worn.

    Attributes:
        kind: `medium` or `attribute`: what the two prompts differ in.
        expected: What a judge should find in a picture of the target besides the concept.
    """

    source: str
    target: str
    kind: str
    expected: tuple[str, ...]


def _another(values: Sequence[str], index: int, turn: int) -> str:
    """A value other than the one at `index`: a different one for each of the first `turn`s."""
    return values[(index + 1 + turn % (len(values) - 1)) % len(values)]


def medium_pairs(count: int) -> list[Pair]:
    """The same figure in two media; every source prompt comes round again after `SOURCES` pairs."""
    media, subjects = list(MEDIA), ("person", "cat", "person with blond hair", "robot")
    pairs = []
    for i in range(count):
        k = i % SOURCES
        medium = k % len(media)
        target = _another(media, medium, i // SOURCES + k)
        subject = subjects[(k + k // len(media)) % len(subjects)]
        pairs.append(
            Pair(f"{article(media[medium])} of a {subject}", f"{article(target)} of a {subject}", "medium", (target,))
        )
    return pairs


def attribute_pairs(count: int) -> list[Pair]:
    """Two figures in one medium, which differ in the colour of their hair or of the background, or in their family."""
    media = list(MEDIA)
    kinds = (
        ("{} of a person with {}", [f"{name} hair" for name in HAIR_COLOURS]),
        ("{} of a person on a {}", [f"{name} background" for name in BACKGROUNDS]),
        ("{} of a {}", FAMILIES),
    )
    pairs = []
    for i in range(count):
        k = i % SOURCES
        prompt, values = kinds[k % len(kinds)]
        medium, value = media[k % len(media)], k % len(values)
        other = _another(values, value, i // SOURCES + k)
        source, target = prompt.format(article(medium), values[value]), prompt.format(article(medium), other)
        pairs.append(Pair(source, target, "attribute", (medium, other)))
    return pairs


def study_pairs(count: int) -> list[Pair]:
    """`count` pairs, half of either kind."""
    return medium_pairs(count // 2) + attribute_pairs(count - count // 2)


def control_of(pairs: list[Pair], index: int) -> int:
    """Another pair with the same source prompt, and thus another noise: the one whose vector is the control."""
    same = [i for i, pair in enumerate(pairs) if pair.source == pairs[index].source and pair.kind == pairs[index].kind]
    return same[(same.index(index) + 1) % len(same)]
