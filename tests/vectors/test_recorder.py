"""Recording on tiny real pipelines."""

from typing import Any

import numpy as np
import pytest
import torch

from sega_vectors import Concept, DenoiserRows, InvalidInputError, PipelineError, Recorder

from .closeness import assert_same_entries
from .tiny import SCHEDULERS, stable_diffusion, stable_diffusion_xl

CALL: dict[str, Any] = {"prompt": "a king", "num_inference_steps": 6, "output_type": "latent"}
GLASSES = Concept("glasses", 4.0, 0.9, 1)
SMILE = Concept("a smile", 6.0, 0.95, 1)


def generator(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_one_denoiser_call_a_step_with_a_row_a_concept() -> None:
    pipe = stable_diffusion()
    with DenoiserRows(pipe) as plain:
        pipe(**CALL)
    assert (plain.calls, plain.rows) == (6, 12)
    with DenoiserRows(pipe) as price:
        Recorder(pipe, [GLASSES, SMILE])(**CALL)
    assert (price.calls, price.rows) == (6, 24)


def test_vectors_are_what_separate_denoiser_calls_give() -> None:
    pipe = stable_diffusion()
    concept = Concept("glasses", keep_threshold=0.5)
    recorder = Recorder(pipe, [concept], guide=False)
    inputs: list[tuple[torch.Tensor, Any]] = []

    def remember(_module: Any, args: Any, kwargs: Any) -> None:
        inputs.append((args[0][:1].clone(), args[1]))

    handle = pipe.unet.register_forward_pre_hook(remember, with_kwargs=True)
    pipe(**CALL, generator=generator())
    handle.remove()
    recorder(**CALL, generator=generator())
    dense = torch.from_numpy(recorder.vectors[0].dense())
    embeds = [pipe.encode_prompt(text, "cpu", 1, False)[0] for text in ("glasses", "")]
    for step, (sample, t) in enumerate(inputs):
        with torch.no_grad():
            edit, uncond = (pipe.unet(sample, t, encoder_hidden_states=e).sample for e in embeds)
        psi = edit - uncond
        edge = torch.quantile(psi.abs().flatten(2), 0.5, dim=2)[..., None, None]
        expected = torch.where(psi.abs() >= edge, psi, 0)[0]
        assert_same_entries(dense[step, None], expected[None], rtol=1e-3, atol=1e-5)


def test_observing_leaves_the_run_as_it_is() -> None:
    pipe = stable_diffusion()
    plain = pipe(**CALL, generator=generator()).images
    observed = Recorder(pipe, [GLASSES], guide=False)(**CALL, generator=generator()).images
    torch.testing.assert_close(observed, plain, rtol=1e-5, atol=1e-5)
    guided = Recorder(pipe, [GLASSES])(**CALL, generator=generator()).images
    assert (guided - plain).abs().max() > 0.01


@pytest.mark.parametrize("fault", [None, "denoiser", "scheduler", "callback"])
@pytest.mark.parametrize("make", [stable_diffusion, stable_diffusion_xl])
def test_the_pipeline_is_left_as_it_was(make: Any, fault: str | None) -> None:
    pipe = make()
    before = pipe(**CALL, generator=generator()).images
    attributes = set(vars(pipe)), set(vars(pipe.scheduler)), dict(pipe.unet._forward_pre_hooks)

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a fault in the middle")

    call: dict[str, Any] = dict(CALL)
    count = 0

    def fail_fourth(*args: Any) -> None:
        nonlocal count
        count += 1
        if count > 3:
            fail()

    handle = pipe.unet.conv_in.register_forward_hook(fail_fourth) if fault == "denoiser" else None
    if fault == "callback":
        call["callback_on_step_end"] = fail
    if fault == "scheduler":
        pipe.scheduler.step = fail
    recorder = Recorder(pipe, [GLASSES, SMILE])
    if fault is None:
        recorder(**call, generator=generator())
    else:
        with pytest.raises(RuntimeError, match="a fault in the middle"):
            recorder(**call, generator=generator())
    if handle is not None:
        handle.remove()
    if fault == "scheduler":
        del pipe.scheduler.step
    assert (set(vars(pipe)), set(vars(pipe.scheduler)), dict(pipe.unet._forward_pre_hooks)) == attributes
    assert torch.equal(pipe(**CALL, generator=generator()).images, before)


def test_watching_leaves_no_trace() -> None:
    pipe = stable_diffusion()
    recorder = Recorder(pipe, [GLASSES])
    shared = generator()
    state, attributes, scheduler = shared.get_state(), dict(vars(pipe)), dict(vars(pipe.scheduler))
    torch.manual_seed(11)
    global_state = torch.get_rng_state()
    called: list[int] = []
    recorder.recipes(**CALL, generator=shared, callback_on_step_end=lambda *_: called.append(1))
    recorder.recipes(**CALL)
    assert torch.equal(shared.get_state(), state)
    assert torch.equal(torch.get_rng_state(), global_state)
    assert vars(pipe) == attributes
    assert vars(pipe.scheduler) == scheduler
    assert called == []


def test_without_a_generator_the_global_random_state_is_used_as_ever() -> None:
    pipe = stable_diffusion()
    torch.manual_seed(7)
    plain = pipe(**CALL).images
    torch.manual_seed(7)
    observed = Recorder(pipe, [GLASSES], guide=False)(**CALL).images
    torch.testing.assert_close(observed, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_noise_is_what_the_generator_drew(scheduler: str) -> None:
    recorder = Recorder(stable_diffusion(scheduler), [GLASSES])
    recorder(**CALL, generator=generator(21))
    (noise,) = recorder.noises
    drawn = torch.randn(1, 4, 16, 16, generator=generator(21))
    assert np.array_equal(noise.array, drawn[0].numpy())
    assert noise.seed == 21
    assert recorder.vectors[0].provenance.noise.sha256 == noise.sha256


def test_a_used_generator_has_no_seed_to_name_the_noise() -> None:
    used = generator(21)
    torch.randn(3, generator=used)
    recorder = Recorder(stable_diffusion(), [GLASSES])
    recorder(**CALL, generator=used)
    assert recorder.noises[0].seed is None


def test_a_vector_for_each_sample_and_concept() -> None:
    call = {**CALL, "prompt": ["a king", "a queen"]}
    recorder = Recorder(stable_diffusion(), [GLASSES, SMILE])
    recorder(**call, generator=[generator(1), generator(2)])
    assert [v.concept.text for v in recorder.vectors] == ["glasses", "a smile"] * 2
    assert [v.provenance.run.prompt for v in recorder.vectors] == ["a king"] * 2 + ["a queen"] * 2
    assert [n.seed for n in recorder.noises] == [1, 1, 2, 2]


def test_in_a_batch_a_vector_is_the_one_that_its_sample_has_alone() -> None:
    call = {**CALL, "prompt": ["a king", "a queen"]}
    batch, single = (Recorder(stable_diffusion(), [GLASSES, SMILE], guide=False) for _ in range(2))
    batch(**call, generator=[generator(1), generator(2)])
    single(**CALL, generator=generator(1))
    found, expected = (torch.from_numpy(recorder.vectors[0].dense()) for recorder in (batch, single))
    assert_same_entries(found, expected, rtol=1e-5, atol=1e-4)


def test_provenance_says_what_was_run() -> None:
    recorder = Recorder(stable_diffusion("pndm"), [GLASSES, SMILE], edit_momentum_scale=0.2, edit_mom_beta=0.3)
    recorder(**CALL, negative_prompt="blurred", guidance_scale=6, eta=0.5, generator=generator())
    vector = recorder.vectors[0]
    run = vector.provenance.run
    assert (run.prompt, run.negative_prompt, run.guidance_scale) == ("a king", "blurred", 6.0)
    assert (run.num_inference_steps, run.edit_momentum_scale, run.edit_mom_beta) == (6, 0.2, 0.3)
    assert run.companions == (SMILE,)
    assert run.arguments == {"eta": 0.5}
    assert vector.provenance.scheduler.name == "PNDMScheduler"
    assert vector.provenance.model.denoiser == "UNet2DConditionModel"
    assert len(vector.timesteps) == 7  # PNDM repeats a timestep
    assert (np.diff(vector.sigmas) <= 1e-5 * vector.sigmas.max()).all()  # repeated timesteps may be rounded apart


def test_recipes_are_known_before_the_run() -> None:
    recorder = Recorder(stable_diffusion(), [GLASSES, SMILE])
    recipes = recorder.recipes(**CALL, generator=generator())
    recorder(**CALL, generator=generator())
    assert [v.recipe for v in recorder.vectors] == recipes
    assert recorder.recipes(**CALL, generator=generator(4)) != recipes


def test_kept_entries_are_those_of_the_loose_threshold() -> None:
    recorder = Recorder(stable_diffusion(), [Concept("glasses", edit_threshold=0.95, keep_threshold=0.75)])
    recorder(**CALL)
    assert (recorder.vectors[0].support.sum(axis=(2, 3)) == 64).all()


def test_without_classifier_free_guidance_the_baseline_is_the_empty_prompt() -> None:
    pipe = stable_diffusion()
    concept = Concept("glasses", 4.0, 0.5, 0, keep_threshold=0.0)
    with_cfg, without = (Recorder(pipe, [concept], guide=False) for _ in range(2))
    with_cfg(**{**CALL, "num_inference_steps": 1}, guidance_scale=5.0, generator=generator())
    without(**{**CALL, "num_inference_steps": 1}, guidance_scale=1.0, generator=generator())
    np.testing.assert_allclose(with_cfg.vectors[0].dense(), without.vectors[0].dense(), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    pipe = stable_diffusion().to(dtype)
    recorder = Recorder(pipe, [GLASSES])
    recorder(**CALL, generator=generator())
    assert recorder.vectors[0].dtype == str(dtype).removeprefix("torch.")
    full = Recorder(stable_diffusion(), [GLASSES])
    full(**CALL, generator=generator())
    ours, theirs = recorder.vectors[0].energy(), full.vectors[0].energy()
    assert np.abs(ours - theirs).max() < 0.15 * theirs.max()


def test_bad_input() -> None:
    pipe = stable_diffusion()
    with pytest.raises(InvalidInputError, match="at least one concept"):
        Recorder(pipe, [])
    with pytest.raises(InvalidInputError, match="blank"):
        Recorder(pipe, [Concept(" ")])
    with pytest.raises(InvalidInputError, match="'zz' is lost"):
        Recorder(pipe, [Concept("x" * 30 + "zz")])
    with pytest.raises(InvalidInputError, match="num_inference_steps must be at least 1, met 0"):
        Recorder(pipe, [GLASSES])(**{**CALL, "num_inference_steps": 0})
    with pytest.raises(InvalidInputError, match="edit_mom_beta"):
        Recorder(pipe, [GLASSES], edit_mom_beta=1.0)
    with pytest.raises(TypeError, match="multiple values for argument 'prompt'"):
        Recorder(pipe, [GLASSES])("a king", prompt="twice")


def test_a_scheduler_without_steps() -> None:
    pipe = stable_diffusion()

    class Empty(type(pipe.scheduler)):  # type: ignore[misc]
        def set_timesteps(self, *args: Any, **kwargs: Any) -> None:
            self.timesteps = torch.tensor([])

    pipe.scheduler.__class__ = Empty
    with pytest.raises(PipelineError, match="at least once"):
        Recorder(pipe, [GLASSES])(**CALL)


def test_a_pipeline_without_a_denoiser() -> None:
    pipe = stable_diffusion()
    pipe.unet = None
    with pytest.raises(PipelineError, match="a denoiser is a component named"):
        Recorder(pipe, [GLASSES])(**CALL)
