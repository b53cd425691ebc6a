"""The pairs of prompts on which transfer is measured: half differ in the medium, half in one other attribute."""

from __future__ import annotations

from dataclasses import dataclass

from captions import HAIR_COLOURS
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


def medium_pairs(count: int) -> list[Pair]:
    """The same person in two media; every source prompt comes round again after `SOURCES` pairs."""
    media, subjects = list(MEDIA), ("person", "person with long hair", "person with short hair", "man")
    pairs = []
    for i in range(count):
        k = i % SOURCES
        source = media[k % 5]
        target = media[(k % 5 + 1 + (i // SOURCES + k) % 4) % 5]
        subject = subjects[k // 5]
        pairs.append(Pair(f"a {source} of a {subject}", f"a {target} of a {subject}", "medium", (target,)))
    return pairs


def attribute_pairs(count: int) -> list[Pair]:
    """Two persons in one medium, who differ in the colour of their hair or of the background."""
    media, hair, grounds = list(MEDIA), list(HAIR_COLOURS), list(BACKGROUNDS)
    pairs = []
    for i in range(count):
        k = i % SOURCES
        medium, turn = media[k % 5], 1 + (i // SOURCES + k) % 4
        if k % 2 == 0:
            a, b = (f"{hair[j % 5]} hair" for j in (k, k + turn))
            source, target = f"a {medium} of a person with {a}", f"a {medium} of a person with {b}"
        else:
            a, b = (f"{grounds[j % 5]} background" for j in (k, k + turn))
            source, target = f"a {medium} of a person on a {a}", f"a {medium} of a person on a {b}"
        pairs.append(Pair(source, target, "attribute", (medium, b)))
    return pairs


def study_pairs(count: int) -> list[Pair]:
    """`count` pairs, half of either kind."""
    return medium_pairs(count // 2) + attribute_pairs(count - count // 2)


def control_of(pairs: list[Pair], index: int) -> int:
    """Another pair with the same source prompt, and thus another noise: the one whose vector is the control."""
    same = [i for i, pair in enumerate(pairs) if pair.source == pairs[index].source and pair.kind == pairs[index].kind]
    return same[(same.index(index) + 1) % len(same)]
