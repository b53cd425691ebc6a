"""Measuring transfer: the same concepts plain, with SEGA, applied at the recorded noise, and applied at another.

Every kind of run is made for every concept, initial noise and prompt, and a judge tells which pictures show the
concept. The prompt of the recording comes first; only the others count in the measured rates.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from diffusers import DiffusionPipeline
from PIL.Image import Image

from sega_store import Concept, GuidanceVector, InitialNoise
from sega_vectors.applier import Applier
from sega_vectors.judging.embedded_judge import Judge
from sega_vectors.judging.judges import SHOWN
from sega_vectors.pipeline.cost import DenoiserRows
from sega_vectors.recorder import Recorder

Kind = Literal["plain", "SEGA", "same noise", "other noise"]
KINDS: tuple[Kind, ...] = ("plain", "SEGA", "same noise", "other noise")


@dataclass(frozen=True)
class Setting:
    """What to measure.

    Attributes:
        prompts: The prompt that is recorded on, then those that its vectors are applied to.
        concepts: The concepts, each recorded on its own.
        seeds: The initial noises, at least two: a vector's other noise is that of the next seed.
        arguments: Further arguments of the pipeline's calls.
        edit_guidance_scale: The scale that vectors are applied with; None: as recorded.
    """

    prompts: Sequence[str]
    concepts: Sequence[Concept]
    seeds: Sequence[int]
    arguments: Mapping[str, Any]
    edit_guidance_scale: float | None = None

    @property
    def pictures(self) -> int:
        """How many pictures all runs make."""
        return len(self.seeds) * len(self.prompts) * (1 + 3 * len(self.concepts))

    def other(self, seed: int) -> int:
        """The seed of the other noise at which the vectors of `seed` are tried."""
        return self.seeds[(self.seeds.index(seed) + 1) % len(self.seeds)]


@dataclass
class Measured:
    """What came of the runs.

    Attributes:
        setting: What was measured.
        pictures: By kind, concept (its text; "" for plain), seed of the recording and prompt.
        shows: The judge's probability, in [0, 1], that a picture shows a concept: by the same key, with the concept
            that was looked for.
        rows: Denoiser rows of all runs of a kind.
        counts: Pictures of a kind.
    """

    setting: Setting
    pictures: dict[tuple[Kind, str, int, str], Image] = field(default_factory=dict)
    shows: dict[tuple[Kind, str, int, str], float] = field(default_factory=dict)
    rows: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    counts: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    def successes(self, kind: Kind, concept: str) -> tuple[int, int]:
        """How many pictures of the prompts that were not recorded on show the concept, and how many there are."""
        targets = self.setting.prompts[1:]
        shown = [self.shows[kind, concept, seed, prompt] > SHOWN for seed in self.setting.seeds for prompt in targets]
        return sum(shown), len(shown)

    def rows_per_picture(self, kind: Kind) -> float:
        """The price of a picture."""
        return self.rows[kind] / self.counts[kind]


def measure(
    pipe: DiffusionPipeline,
    judge: Judge,
    setting: Setting,
    keep: Callable[[GuidanceVector, InitialNoise], None],
    progress: Callable[[int], object],
) -> Measured:
    """Run everything.

    Args:
        pipe: The embedded model, whose concepts the judge can tell.
        judge: The judge.
        setting: What to measure.
        keep: Called with each vector of the first prompt, and its noise.
        progress: Called with the number of pictures after each call of the pipeline.
    """
    measured = Measured(setting)
    prompts = list(setting.prompts)

    def run(kind: Kind, seed: int, call: Callable[..., Any], concept: str = "", **arguments: Any) -> None:
        with DenoiserRows(pipe) as price:
            images = call(prompts, **setting.arguments, **arguments).images
        measured.rows[kind] += price.rows
        measured.counts[kind] += len(images)
        verdicts = judge(images)
        for index, (prompt, image) in enumerate(zip(prompts, images, strict=True)):
            measured.pictures[kind, concept, seed, prompt] = image
            for looked_for in [concept] if concept else [c.text for c in setting.concepts]:
                measured.shows[kind, looked_for, seed, prompt] = float(verdicts[looked_for][index])
        progress(len(images))

    def from_seed(seed: int) -> dict[str, Any]:
        return {"generator": [torch.Generator().manual_seed(seed) for _ in prompts]}  # the same noise for every prompt

    vectors: dict[tuple[str, int], GuidanceVector] = {}
    noises: dict[int, InitialNoise] = {}
    for seed in setting.seeds:
        run("plain", seed, pipe, **from_seed(seed))
        for concept in setting.concepts:
            recorder = Recorder(pipe, [concept])
            run("SEGA", seed, recorder, concept.text, **from_seed(seed))
            vectors[concept.text, seed], noises[seed] = recorder.vectors[0], recorder.noises[0]
            keep(recorder.vectors[0], recorder.noises[0])
    for (concept_text, seed), vector in vectors.items():
        other = noises[setting.other(seed)]
        scale = setting.edit_guidance_scale
        same = Applier(pipe, [vector], noise=noises[seed], edit_guidance_scale=scale)
        moved = Applier(pipe, [vector], noise=other, edit_guidance_scale=scale, allow={"noise"})
        run("same noise", seed, same, concept_text)
        run("other noise", seed, moved, concept_text)
    return measured


def wilson(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """The Wilson score interval of a rate, 95% by default."""
    rate, spread = successes / trials, z * z / trials
    centre = (rate + spread / 2) / (1 + spread)
    margin = z / (1 + spread) * math.sqrt(rate * (1 - rate) / trials + spread / (4 * trials))
    return max(0.0, centre - margin), min(1.0, centre + margin)
