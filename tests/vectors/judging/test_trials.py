"""Series of runs on a tiny pipeline, judged by their brightness."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from sega_store import GuidanceVector, InitialNoise
from sega_vectors import Applier, Concept, IncompatibleError, InvalidInputError, Recorder
from sega_vectors.judging.trials import BATCH, Outcome, Trials, change
from tests.vectors.tiny import stable_diffusion

ARGUMENTS: dict[str, Any] = {"num_inference_steps": 3, "negative_prompt": "ugly"}
PROMPTS = ("a king", "a queen", "a knight")


@dataclass(frozen=True)
class Brightness:
    """Tells bright pictures by their mean."""

    concepts: tuple[str, ...] = ("light", "dark")

    def __call__(self, images: Sequence[Image.Image]) -> dict[str, NDArray[np.float32]]:
        light = np.array([np.asarray(image).mean() / 255 for image in images], np.float32)
        return {"light": light, "dark": 1 - light}


@cache
def pipeline() -> Any:
    return stable_diffusion()


@cache
def recorded() -> tuple[tuple[GuidanceVector, ...], tuple[InitialNoise, ...]]:
    """Of two noises."""
    generators = [torch.Generator().manual_seed(seed) for seed in (3, 4)]
    recorder = Recorder(pipeline(), [Concept("light", 20.0, 0.9, 1, keep_threshold=0.8)])
    recorder(["a man", "a man"], num_inference_steps=3, generator=generators)
    return tuple(recorder.vectors), tuple(recorder.noises)


def trials(count: int = 1, prompts: Sequence[str] = PROMPTS) -> Trials:
    return Trials(pipeline(), Brightness(), "light", prompts, recorded()[1][:count], ARGUMENTS)


def test_a_series_is_every_prompt_from_every_noise() -> None:
    many = [f"a king {number}" for number in range(BATCH + 2)]
    counts: list[int] = []
    series = trials(2, many)
    outcome = series.run(progress=counts.append)
    assert series.size == len(outcome.pictures) == 2 * len(many)
    assert counts == [BATCH, 2, BATCH, 2]
    for noise, start in zip(recorded()[1], (0, len(many)), strict=True):
        alone = Applier(pipeline(), [], noise=noise)(many[1], **ARGUMENTS).images[0]
        difference = np.asarray(alone).astype(int) - np.asarray(outcome.pictures[start + 1])
        assert np.abs(difference).max() <= 1, "rounding: kernels depend on the batch"


def test_with_a_vector_it_is_what_the_applier_makes() -> None:
    (vector, _), (noise, _) = recorded()
    outcome = trials().run(vector, {"edit_guidance_scale": 9.0})
    expected = Applier(pipeline(), [vector], noise=noise, edit_guidance_scale=9.0)(
        list(PROMPTS), **{**ARGUMENTS, "negative_prompt": ["ugly"] * 3}
    ).images
    assert [p.tobytes() for p in outcome.pictures] == [p.tobytes() for p in expected]


def test_success_is_what_the_judge_finds() -> None:
    outcome = trials().run()
    light = [np.asarray(picture).mean() / 255 for picture in outcome.pictures]
    assert outcome.shows == pytest.approx(light)
    assert outcome.shown == sum(one > 0.5 for one in light)
    assert Outcome((), np.array([0.4, 0.5, 0.6, 0.9], np.float32)).shown == 2


def test_change_is_the_mean_difference_of_pixels() -> None:
    black, grey, white = (Image.new("L", (4, 4), level) for level in (0, 51, 255))
    shows = np.zeros(2, np.float32)
    assert change(Outcome((black, black), shows), Outcome((grey, white), shows)) == pytest.approx((0.2 + 1) / 2)
    assert change(Outcome((grey,), shows[:1]), Outcome((grey,), shows[:1])) == 0


def test_a_vector_of_another_noise_is_refused() -> None:
    (_, other), _ = recorded()
    with pytest.raises(IncompatibleError, match="initial noise"):
        trials().run(other)


@pytest.mark.parametrize(("prompts", "count"), [((), 1), (PROMPTS, 0)])
def test_nothing_to_try_is_refused(prompts: Sequence[str], count: int) -> None:
    with pytest.raises(InvalidInputError, match="met"):
        trials(count, prompts)
