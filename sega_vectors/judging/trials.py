"""Trials: prompts run plain, with SEGA or with vectors, and in which pictures a judge finds a concept.

Each prompt is run from each initial noise; paired trials run the first prompt from the first noise, the second from the
second, and so on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from diffusers import DiffusionPipeline
from numpy.typing import NDArray
from PIL.Image import Image

from sega_store import Concept, GuidanceVector, InitialNoise, InvalidInputError
from sega_store.records.algebra import moved
from sega_vectors.applier import Applier
from sega_vectors.judging.judges import SHOWN, PictureJudge
from sega_vectors.latents.noise import generators
from sega_vectors.pipeline.call import PipelineCall
from sega_vectors.pipeline.cost import DenoiserRows
from sega_vectors.pipeline.watch import watch
from sega_vectors.recorder import Recorder

BATCH = 16  # prompts at once

Kind = Literal["plain", "SEGA", "same noise", "other noise"]
KINDS: tuple[Kind, ...] = ("plain", "SEGA", "same noise", "other noise")
Progress = Callable[[int], object]
Keep = Callable[[GuidanceVector, InitialNoise], object]


@dataclass(frozen=True)
class Outcome:
    """What came of a series of runs.

    Attributes:
        pictures: One a noise and prompt, the prompts of the first noise first; of paired trials one a prompt.
        shows: The judge's probability that each shows the concept, in [0, 1], shape (n,).
        rows: Denoiser rows of all runs.
    """

    pictures: tuple[Image, ...]
    shows: NDArray[np.float32]
    rows: int = 0

    @property
    def found(self) -> NDArray[np.bool_]:
        """In which pictures the judge finds the concept, shape (n,)."""
        return self.shows > SHOWN

    @property
    def shown(self) -> int:
        """In how many it does."""
        return int(np.count_nonzero(self.found))


@dataclass(frozen=True)
class Trials:
    """Prompts and noises to run again and again.

    Attributes:
        pipe: A pipeline that makes pictures.
        judge: Can tell the concept.
        concept: Its text.
        prompts: The prompts, one or more.
        noises: The initial noises, one or more.
        arguments: Further arguments of the pipeline's calls.
        paired: Whether each prompt is run from the noise at its place only, rather than from all.

    Raises:
        InvalidInputError: There is no prompt or no noise, or paired trials have more of one than of the other.
    """

    pipe: DiffusionPipeline
    judge: PictureJudge
    concept: str
    prompts: Sequence[str]
    noises: Sequence[InitialNoise]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    paired: bool = False

    def __post_init__(self) -> None:
        if not self.prompts or not self.noises:
            raise InvalidInputError(
                f"a concept is tried on a prompt and a noise at least, met {len(self.prompts)} prompts and"
                f" {len(self.noises)} noises: give one of each"
            )
        if self.paired and len(self.prompts) != len(self.noises):
            raise InvalidInputError(
                f"paired trials have a noise for each prompt, met {len(self.prompts)} prompts and {len(self.noises)}"
                " noises: give as many of each"
            )

    @property
    def size(self) -> int:
        """How many pictures a series has."""
        return len(self.prompts) * (1 if self.paired else len(self.noises))

    def run(
        self,
        vector: GuidanceVector | Sequence[GuidanceVector] | None = None,
        edit: Mapping[str, Any] | None = None,
        progress: Progress = lambda count: None,
    ) -> Outcome:
        """Make a series of pictures and judge them.

        Args:
            vector: To be added to all runs, or one for each noise, to be added to the runs from it; None for plain
                runs.
            edit: Edit parameters that are not as recorded, by `Applier`'s names.
            progress: Is given the number of pictures after each call.

        Raises:
            IncompatibleError: A vector doesn't belong to its noise, or to the pipeline.
        """

        def apply(prompts: list[str], at: list[int], arguments: Mapping[str, Any]) -> Any:
            if vector is None or isinstance(vector, GuidanceVector):
                vectors = [] if vector is None else [vector]
            else:
                vectors = [vector[i] for i in dict.fromkeys(at)]
            noises = [self.noises[i] for i in at]
            return Applier(self.pipe, vectors, noise=noises, **(edit or {}))(prompt=prompts, **arguments)

        return self._series(apply, progress)

    def record(
        self,
        edit: Mapping[str, Any] | None = None,
        progress: Progress = lambda count: None,
        keep: Keep = lambda vector, noise: None,
    ) -> tuple[Outcome, list[GuidanceVector]]:
        """Make a series of pictures with SEGA itself, and judge them.

        Args:
            edit: Edit parameters, by `Concept`'s names.
            progress: Is given the number of pictures after each call.
            keep: Is given the vectors of each call, with their noises, before the next call.

        Returns:
            What came of it, and the vector of each run.

        Raises:
            InvalidInputError: A noise has no seed that it can be drawn from here.
        """
        recorder = Recorder(self.pipe, [Concept(self.concept, **(edit or {}))])
        vectors: list[GuidanceVector] = []

        def record(prompts: list[str], at: list[int], arguments: Mapping[str, Any]) -> Any:
            drawing = generators([self.noises[i] for i in at], torch.device(self.pipe._execution_device))
            if drawing is None:
                raise InvalidInputError(
                    "trials are recorded from seeds, met a noise without one, or of a device that isn't here: take"
                    " noises from draw_noises"
                )
            result = recorder(prompt=prompts, generator=drawing, **arguments)
            vectors.extend(recorder.vectors)
            for vector, noise in zip(recorder.vectors, recorder.noises, strict=True):
                keep(vector, noise)
            return result

        return self._series(record, progress), vectors

    def judged(self, pictures: Sequence[Image], rows: int = 0) -> Outcome:
        """Judge pictures of a series that was made before, such as plain ones for another concept."""
        return Outcome(tuple(pictures), self.judge(pictures)[self.concept], rows)

    def _series(self, call: Callable[[list[str], list[int], Mapping[str, Any]], Any], progress: Progress) -> Outcome:
        """Call with the prompts, the places of their noises and the arguments of each batch."""
        pictures: list[Image] = []
        with DenoiserRows(self.pipe) as price:
            for prompts, at in self._batches():
                made = call(prompts, at, _for_each(self.arguments, len(prompts))).images
                pictures += made
                progress(len(made))
        return self.judged(pictures, price.rows)

    def _batches(self) -> Iterator[tuple[list[str], list[int]]]:
        """The prompts of each call, with the places of their noises."""
        starts = range(0, len(self.prompts), BATCH)
        for noise in [None] if self.paired else range(len(self.noises)):
            for start in starts:
                prompts = list(self.prompts[start : start + BATCH])
                places = range(start, start + len(prompts))
                yield prompts, [place if noise is None else noise for place in places]


@dataclass(frozen=True)
class Transfer:
    """One concept plain, with SEGA, and with the vectors of the first prompt at their own noises and at others.

    Attributes:
        vectors: Those recorded on the first prompt, one a noise.
        outcomes: By kind; at another noise each vector is tried at the noise after its own, the last at the first.
    """

    vectors: Sequence[GuidanceVector]
    outcomes: Mapping[Kind, Outcome]


def measure_transfer(
    trials: Trials,
    plain: Outcome,
    recorded: Mapping[str, Any],
    applied: Mapping[str, Any],
    progress: Progress = lambda count: None,
    keep: Keep = lambda vector, noise: None,
) -> Transfer:
    """Record a concept and apply what was recorded.

    Args:
        trials: What to run, from two noises or more.
        plain: Its plain runs, for whatever concept they were judged.
        recorded: Edit parameters of the recordings, by `Concept`'s names.
        applied: Those to apply with, by `Applier`'s names.
        progress: Is given the number of pictures after each call.
        keep: Is given the vectors of the first prompt, with their noises, as soon as they are recorded.
    """

    def keep_first(vector: GuidanceVector, noise: InitialNoise) -> None:
        if vector.provenance.run.prompt == trials.prompts[0]:
            keep(vector, noise)

    sega, every = trials.record(recorded, progress, keep_first)
    vectors = every[:: len(trials.prompts)]
    others = [moved(vector, noise.facts) for vector, noise in zip(vectors[-1:] + vectors, trials.noises, strict=False)]
    outcomes: dict[Kind, Outcome] = {
        "plain": trials.judged(plain.pictures, plain.rows),
        "SEGA": sega,
        "same noise": trials.run(vectors, applied, progress),
        "other noise": trials.run(others, applied, progress),
    }
    return Transfer(vectors, outcomes)


def draw_noises(pipe: DiffusionPipeline, seeds: Sequence[int], arguments: Mapping[str, Any]) -> list[InitialNoise]:
    """The initial noises that a pipeline draws from fresh generators of some seeds.

    Args:
        pipe: The pipeline.
        seeds: One a noise.
        arguments: Of its calls, such as `height`.
    """
    drawing = [torch.Generator().manual_seed(seed) for seed in seeds]
    call = PipelineCall.bind(
        pipe, (), {**_for_each(arguments, len(seeds)), "prompt": [""] * len(seeds), "generator": drawing}
    )
    return watch(call).noises


def change(one: Outcome, other: Outcome) -> float:
    """How much the pictures of two series of the same trials differ: the mean absolute difference of pixels, 0 to 1."""
    pairs = zip(one.pictures, other.pictures, strict=True)
    return float(np.mean([np.abs(_pixels(a) - _pixels(b)).mean() for a, b in pairs]))


def _pixels(picture: Image) -> NDArray[np.float64]:
    return np.asarray(picture.convert("RGB")) / 255


def _for_each(arguments: Mapping[str, Any], count: int) -> dict[str, Any]:
    """The arguments for a list of prompts, which wants a list of negative prompts."""
    negative = arguments.get("negative_prompt")
    return {**arguments, "negative_prompt": [negative] * count} if isinstance(negative, str) else dict(arguments)
