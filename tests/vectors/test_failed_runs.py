"""Runs that stop, overflow or do nothing: they are refused, and nothing of them or of an earlier one is left."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from sega_vectors import Applier, Concept, InvalidInputError, PipelineError, Recorder
from tests.vectors.tiny import SCHEDULERS, stable_diffusion, stable_diffusion_xl

CALL: dict[str, Any] = {"prompt": "a king", "num_inference_steps": 6, "output_type": "latent"}
GLASSES = Concept("glasses", 4.0, 0.9, 1)


def generator(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def interrupting(step: int) -> Callable[..., dict[str, Any]]:
    def callback(pipe: Any, number: int, _timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        pipe._interrupt = number + 1 >= step
        return values

    return callback


def overflowing(step: int) -> Callable[..., dict[str, Any]]:
    def callback(_pipe: Any, number: int, _timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        if number + 1 == step:
            values["latents"] = values["latents"] * float("inf")
        return values

    return callback


def raising(*_: Any) -> dict[str, Any]:
    raise KeyboardInterrupt("stop")


@pytest.mark.parametrize(
    ("callback", "error", "said"),
    [
        (interrupting(2), PipelineError, "stopped after step 2 of 6"),
        (interrupting(5), PipelineError, "stopped after step 5 of 6"),
        (overflowing(1), PipelineError, "at step 2 of 6 the denoiser's prediction had NaN"),
        (overflowing(3), PipelineError, "at step 4 of 6 the denoiser's prediction had NaN"),
        (raising, KeyboardInterrupt, "stop"),
    ],
)
def test_a_recording_of_a_run_that_failed_leaves_nothing(callback: Any, error: Any, said: str) -> None:
    pipe = stable_diffusion()
    recorder = Recorder(pipe, [GLASSES])
    recorder(**CALL, generator=generator())
    assert recorder.vectors
    with pytest.raises(error, match=said):
        recorder(**CALL, generator=generator(), callback_on_step_end=callback)
    assert not recorder.vectors
    assert not recorder.noises
    recorder(**CALL, generator=generator())
    assert len(recorder.vectors[0].timesteps) == 6


def test_zero_snr_with_epsilon_is_refused() -> None:
    pipe = stable_diffusion()
    pipe.scheduler = DDIMScheduler.from_config(
        pipe.scheduler.config, rescale_betas_zero_snr=True, timestep_spacing="trailing"
    )
    with pytest.raises(PipelineError, match="at step 1 of 6 the sample after it had NaN or infinity"):
        Recorder(pipe, [GLASSES])(**CALL, generator=generator())


def test_an_edit_that_overflows_is_refused_when_applied() -> None:
    pipe = stable_diffusion()
    recorder = Recorder(pipe, [GLASSES])
    recorder(**CALL, generator=generator())
    applier = Applier(pipe, recorder.vectors, noise=recorder.noises[0])
    applier(**CALL)
    assert applier.compatibility
    applier = Applier(pipe, recorder.vectors, noise=recorder.noises[0], edit_guidance_scale=1e38)
    with pytest.raises(PipelineError, match=r"of 6 .* had NaN or infinity: .*a smaller scale"):
        applier(**CALL)
    assert not applier.compatibility


def test_a_picture_that_overflows_is_refused() -> None:
    pipe = stable_diffusion()
    pipe.vae.decoder.conv_out.weight.data[0] = float("nan")
    with pytest.raises(PipelineError, match="at the end of the run the decoded picture had NaN"):
        Recorder(pipe, [GLASSES])(**{**CALL, "output_type": "np"}, generator=generator())
    pipe("a king", num_inference_steps=1, output_type="np")


@pytest.mark.parametrize("make", [stable_diffusion, stable_diffusion_xl])
def test_a_concept_that_is_the_negative_prompt_is_refused(make: Any) -> None:
    with pytest.raises(PipelineError, match=r"'glasses' guides none of 6: .* may be the negative prompt"):
        Recorder(make(), [GLASSES])(**CALL, negative_prompt="glasses", generator=generator())


@pytest.mark.parametrize(
    ("concept", "steps", "said"),
    [
        (Concept("glasses", edit_warmup_steps=10), 4, "edit_warmup_steps 10 leaves none of the run's 4 steps"),
        (Concept("glasses", edit_warmup_steps=1), 1, "edit_warmup_steps 1 leaves none of the run's 1 steps"),
        (
            Concept("glasses", edit_warmup_steps=3, edit_cooldown_steps=3),
            6,
            "edit_cooldown_steps 3 comes",
        ),
        (Concept("glasses", edit_weight=0), 6, "edit_weight is 0"),
        (Concept("glasses", edit_guidance_scale=0), 6, "edit_guidance_scale is 0"),
    ],
)
def test_parameters_by_which_a_concept_guides_nothing_are_refused_before_the_run(
    concept: Concept, steps: int, said: str
) -> None:
    recorder = Recorder(stable_diffusion(), [GLASSES, concept])
    with pytest.raises(InvalidInputError, match=said):
        recorder(**{**CALL, "num_inference_steps": steps})


@pytest.mark.parametrize(("steps", "warmup"), [(1, 0), (4, 1), (6, 1), (10, 2), (50, 10)])
def test_the_default_warmup_is_a_fifth_of_the_run(steps: int, warmup: int) -> None:
    recorder = Recorder(stable_diffusion(), [Concept("glasses")])
    recorder(**{**CALL, "num_inference_steps": steps}, generator=generator())
    assert recorder.vectors[0].concept.edit_warmup_steps == warmup
    recipes = recorder.recipes(**{**CALL, "num_inference_steps": steps}, generator=generator())
    assert recipes == [vector.recipe for vector in recorder.vectors]


def test_what_has_no_effect_is_noted() -> None:
    pipe = stable_diffusion()
    concept = Concept("glasses", 4.0, 0.9, 1, edit_cooldown_steps=40)
    recorder = Recorder(pipe, [concept], edit_momentum_scale=0, edit_mom_beta=0.5)
    recorder(**CALL, generator=generator())
    assert recorder.notes == [
        "edit_cooldown_steps 40 of 'glasses' has no effect in a run of 6 steps",
        "edit_mom_beta has no effect, since edit_momentum_scale is 0",
    ]
    applier = Applier(
        pipe, recorder.vectors, noise=recorder.noises[0], edit_warmup_steps=6, edit_cooldown_steps=7, edit_mom_beta=0.2
    )
    applied = applier(**CALL).images
    assert applier.notes == [
        "'glasses' adds nothing: edit_warmup_steps 6 leaves none of the run's 6 steps: lower it",
        "edit_cooldown_steps 7 of 'glasses' has no effect in a run of 6 steps",
        "edit_mom_beta of 'glasses' has no effect, since edit_momentum_scale is 0",
    ]
    torch.testing.assert_close(applied, pipe(**CALL, generator=generator()).images)


def test_cut_texts_missing_encoders_and_blanked_pictures_are_noted() -> None:
    pipe = stable_diffusion()
    recorder = Recorder(pipe, [GLASSES])
    recorder(**{**CALL, "prompt": "x" * 40, "negative_prompt": "y" * 35}, generator=generator())
    assert recorder.notes == [
        f"the prompt {'x' * 40!r} was cut: tokenizer takes 32 of 42 tokens, {'x' * 10!r} is lost",
        f"the negative prompt {'y' * 35!r} was cut: tokenizer takes 32 of 37 tokens, {'y' * 5!r} is lost",
    ]
    applier = Applier(pipe, recorder.vectors, noise=recorder.noises[0])
    applier(**CALL, negative_prompt="z" * 31)
    assert applier.notes == [f"the negative prompt {'z' * 31!r} was cut: tokenizer takes 32 of 33 tokens, 'z' is lost"]


def test_pictures_that_a_safety_checker_blanked_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = stable_diffusion()

    def checked(image: Any, *_: Any) -> Any:
        return image * 0, [False, True]

    monkeypatch.setattr(pipe, "run_safety_checker", checked)
    recorder = Recorder(pipe, [GLASSES])
    recorder(**{**CALL, "prompt": ["a king", "a queen"], "output_type": "np"}, generator=generator())
    assert recorder.notes == ["picture 2 was blanked by the safety checker"]


def test_a_partial_recording_covers_its_part_and_says_so() -> None:
    pipe = stable_diffusion_xl("ddim")
    call = {**CALL, "num_inference_steps": 10}
    recorder = Recorder(pipe, [Concept("glasses", 4.0, 0.9, 0)], edit_momentum_scale=0)
    recorder(**call, denoising_end=0.5, generator=generator())
    (vector,) = recorder.vectors
    assert len(vector.timesteps) == 5
    applier = Applier(pipe, [vector], noise=recorder.noises[0])
    applier(**call, denoising_end=0.5)
    assert applier.compatibility[0].answer == "exact"
    applier(**call)
    assert "5 of this run's 10 steps covered, at the others it adds nothing" in applier.compatibility[0].differences
    for steps in (10, 25):
        pipe.scheduler.set_timesteps(steps)
        timesteps = pipe.scheduler.timesteps.numpy().astype(np.float64)
        plan = applier.plan([0], timesteps, torch.device("cpu"))
        guides = [(gamma := plan.guidance()) is not None and bool(gamma.any()) for _ in timesteps]
        assert guides == [t >= vector.timesteps[-1] for t in timesteps]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_whole_recording_covers_whole_runs(scheduler: str) -> None:
    pipe = stable_diffusion(scheduler)
    recorder = Recorder(pipe, [Concept("glasses", 4.0, 0.9, 0)])
    recorder(**{**CALL, "num_inference_steps": 4}, generator=generator())
    applier = Applier(pipe, recorder.vectors, noise=recorder.noises[0])
    for steps in (2, 4, 13, 50):
        applier(**{**CALL, "num_inference_steps": steps})
        assert not any("covered" in difference for difference in applier.compatibility[0].differences)
