"""Trials: prompts run from initial noises, plain and with a vector, and in which pictures a judge finds a concept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from diffusers import DiffusionPipeline
from numpy.typing import NDArray
from PIL.Image import Image

from sega_store import GuidanceVector, InitialNoise, InvalidInputError
from sega_vectors.applier import Applier
from sega_vectors.judging.judges import SHOWN, PictureJudge

BATCH = 16  # prompts at once


@dataclass(frozen=True)
class Outcome:
    """What came of a series of runs.

    Attributes:
        pictures: One for each noise and prompt, the prompts of the first noise first.
        shows: The judge's probability that each shows the concept, in [0, 1], shape (n,).
    """

    pictures: tuple[Image, ...]
    shows: NDArray[np.float32]

    @property
    def shown(self) -> int:
        """In how many pictures the judge finds the concept."""
        return int(np.count_nonzero(self.shows > SHOWN))


@dataclass(frozen=True)
class Trials:
    """Prompts and noises to run again and again.

    Attributes:
        pipe: A pipeline that makes pictures.
        judge: Can tell the concept.
        concept: Its text.
        prompts: The prompts, one or more.
        noises: The initial noises, one or more, from each of which every prompt is run.
        arguments: Further arguments of the pipeline's calls.
    """

    pipe: DiffusionPipeline
    judge: PictureJudge
    concept: str
    prompts: Sequence[str]
    noises: Sequence[InitialNoise]
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.prompts or not self.noises:
            raise InvalidInputError(
                f"a concept is tried on a prompt and a noise at least, met {len(self.prompts)} prompts and"
                f" {len(self.noises)} noises: give one of each"
            )

    @property
    def size(self) -> int:
        """How many pictures a series has."""
        return len(self.prompts) * len(self.noises)

    def run(
        self,
        vector: GuidanceVector | None = None,
        edit: Mapping[str, Any] | None = None,
        progress: Callable[[int], object] = lambda count: None,
    ) -> Outcome:
        """Make a series of pictures and judge them.

        Args:
            vector: To be added to all runs; None for plain runs.
            edit: Its edit parameters that are not as recorded, by `Applier`'s names.
            progress: Called with the number of pictures after each call of the pipeline.

        Raises:
            IncompatibleError: The vector doesn't belong to one of the noises, or to the pipeline.
        """
        pictures: list[Image] = []
        for noise in self.noises:
            applier = Applier(self.pipe, [] if vector is None else [vector], noise=noise, **(edit or {}))
            for start in range(0, len(self.prompts), BATCH):
                prompts = list(self.prompts[start : start + BATCH])
                made = applier(prompts, **_for_each(self.arguments, len(prompts))).images
                pictures += made
                progress(len(made))
        return Outcome(tuple(pictures), self.judge(pictures)[self.concept])


def change(one: Outcome, other: Outcome) -> float:
    """How much the pictures of two series of the same trials differ: the mean absolute difference of pixels, 0 to 1."""
    pairs = zip(one.pictures, other.pictures, strict=True)
    return float(np.mean([np.abs(_pixels(a) - _pixels(b)).mean() for a, b in pairs]))


def _pixels(picture: Image) -> NDArray[np.float64]:
    return np.asarray(picture.convert("RGB")) / 255


def _for_each(arguments: Mapping[str, Any], count: int) -> dict[str, Any]:
    """The arguments for a list of prompts, which needs a list of negative prompts too."""
    negative = arguments.get("negative_prompt")
    return {**arguments, "negative_prompt": [negative] * count} if isinstance(negative, str) else dict(arguments)
