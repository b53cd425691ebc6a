"""Series of runs on a tiny pipeline, judged by their brightness."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from sega_store import GuidanceVector, InitialNoise
from sega_vectors import Applier, Concept, IncompatibleError, InvalidInputError, Recorder
from sega_vectors.judging.trials import BATCH, KINDS, Kind, Outcome, Trials, change, draw_noises, measure_transfer
from tests.vectors.tiny import stable_diffusion

ARGUMENTS: dict[str, Any] = {"num_inference_steps": 3, "negative_prompt": "ugly"}
EDIT: dict[str, Any] = {"edit_guidance_scale": 20.0, "edit_threshold": 0.9, "edit_warmup_steps": 1}
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


def test_paired_trials_run_each_prompt_from_its_own_noise_with_its_own_vector() -> None:
    vectors, noises = recorded()
    series = Trials(pipeline(), Brightness(), "light", PROMPTS[:2], noises, ARGUMENTS, paired=True)
    outcome = series.run(vectors, {"edit_guidance_scale": 9.0})
    assert series.size == len(outcome.pictures) == 2
    for prompt, noise, vector, made in zip(PROMPTS, noises, vectors, outcome.pictures, strict=False):
        alone = Applier(pipeline(), [vector], noise=noise, edit_guidance_scale=9.0)(prompt, **ARGUMENTS).images[0]
        difference = np.asarray(alone).astype(int) - np.asarray(made)
        assert np.abs(difference).max() <= 1, "rounding: kernels depend on the batch"
    with pytest.raises(InvalidInputError, match="met 3 prompts and 2 noises"):
        Trials(pipeline(), Brightness(), "light", PROMPTS, noises, paired=True)


def test_a_series_of_recordings_is_what_the_recorder_makes() -> None:
    series = trials(2)
    outcome, vectors = series.record(EDIT)
    assert len(vectors) == series.size
    for at, noise in enumerate(series.noises):
        recorder = Recorder(pipeline(), [Concept("light", **EDIT)])
        drawing = [torch.Generator().manual_seed(3 + at) for _ in PROMPTS]
        images = recorder(list(PROMPTS), **{**ARGUMENTS, "negative_prompt": ["ugly"] * 3}, generator=drawing).images
        part = slice(3 * at, 3 * at + 3)
        assert [p.tobytes() for p in outcome.pictures[part]] == [p.tobytes() for p in images]
        assert [v.content for v in vectors[part]] == [v.content for v in recorder.vectors]
        assert {v.provenance.noise for v in vectors[part]} == {noise.facts}


def test_rows_are_those_of_all_runs() -> None:
    series = trials(2)
    assert series.run().rows == 2 * 3 * 3 * 2, "noises, prompts, steps, with and without the prompt"
    assert series.record(EDIT)[0].rows == 2 * 3 * 3 * 3


def test_noises_without_a_seed_are_not_recorded_from() -> None:
    nameless = InitialNoise(recorded()[1][0].array)
    with pytest.raises(InvalidInputError, match="seed"):
        Trials(pipeline(), Brightness(), "light", PROMPTS, [nameless], ARGUMENTS).record(EDIT)


def test_noises_are_those_that_runs_start_from() -> None:
    drawn = draw_noises(pipeline(), (3, 4), ARGUMENTS)
    assert [noise.facts for noise in drawn] == [noise.facts for noise in recorded()[1]]


def test_transfer_is_measured_at_each_vectors_noise_and_at_the_next() -> None:
    series = trials(2)
    plain, counts = series.run(), list[int]()
    found = measure_transfer(series, plain, EDIT, {"edit_guidance_scale": 9.0}, counts.append)
    assert list(found.outcomes) == list(KINDS)
    assert sum(counts) == 3 * series.size
    assert [v.provenance.run.prompt for v in found.vectors] == [PROMPTS[0]] * 2
    assert [v.provenance.noise for v in found.vectors] == [noise.facts for noise in series.noises]
    one, other = found.vectors
    expected: list[tuple[Kind, GuidanceVector, int]] = [
        ("same noise", one, 0),
        ("other noise", other, 0),
        ("other noise", one, 1),
    ]
    for kind, vector, noise in expected:
        applier = Applier(pipeline(), [vector], noise=series.noises[noise], edit_guidance_scale=9.0, allow={"noise"})
        images = applier(list(PROMPTS), **{**ARGUMENTS, "negative_prompt": ["ugly"] * 3}).images
        made = found.outcomes[kind].pictures[3 * noise : 3 * noise + 3]
        assert [p.tobytes() for p in made] == [p.tobytes() for p in images]


def test_pictures_are_judged_again_for_another_concept() -> None:
    plain = trials().run()
    dark = replace(trials(), concept="dark").judged(plain.pictures, plain.rows)
    assert dark.shows == pytest.approx(1 - plain.shows)
    assert dark.rows == plain.rows


def test_what_is_recorded_is_kept_before_the_next_call() -> None:
    series = trials(2)
    kept: list[tuple[str, InitialNoise]] = []

    def interrupted(_count: int) -> None:
        raise KeyboardInterrupt

    def keep(vector: GuidanceVector, noise: InitialNoise) -> None:
        assert vector.provenance.noise == noise.facts
        kept.append((vector.provenance.run.prompt, noise))

    plain = series.run()
    with pytest.raises(KeyboardInterrupt):
        measure_transfer(series, plain, EDIT, {}, interrupted, keep)
    assert kept == [(PROMPTS[0], series.noises[0])]
    kept.clear()
    measure_transfer(series, plain, EDIT, {}, keep=keep)
    assert kept == [(PROMPTS[0], noise) for noise in series.noises]
