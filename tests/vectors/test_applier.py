"""Applying recorded vectors on tiny real pipelines."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from sega_vectors import (
    Applier,
    Concept,
    DenoiserRows,
    GuidanceVector,
    IncompatibleError,
    InitialNoise,
    InvalidInputError,
    Recorder,
)

from .samplers import SAMPLERS
from .tiny import SCHEDULERS, stable_diffusion, stable_diffusion_xl

CALL: dict[str, Any] = {"prompt": "a king", "num_inference_steps": 6, "output_type": "latent"}
OTHER: dict[str, Any] = {**CALL, "prompt": "a drawing of a queen"}
GLASSES = Concept("glasses", 4.0, 0.9, 1)
SMILE = Concept("a smile", 6.0, 0.95, 3, reverse_editing_direction=True, edit_weight=0.5)


def generator(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def record(pipe: Any, *concepts: Concept, seed: int = 3, **options: Any) -> Recorder:
    recorder = Recorder(pipe, concepts, **options)
    recorder.latents = recorder(**CALL, generator=generator(seed)).images  # type: ignore[attr-defined]
    return recorder


def latents(recorder: Recorder) -> torch.Tensor:
    return recorder.latents  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("make", [stable_diffusion, stable_diffusion_xl])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_record_then_apply_is_the_recorded_run(make: Any, scheduler: str) -> None:
    """Within 1e-5 relative: the recorded run's denoiser calls have more rows, and CPU kernels depend on how many."""
    pipe = make(scheduler)
    recorder = record(pipe, GLASSES, SMILE)
    by_noise = Applier(pipe, recorder.vectors, noise=recorder.noises[0])(**CALL).images
    by_generator = Applier(pipe, recorder.vectors)(**CALL, generator=generator()).images
    scale = latents(recorder).abs().max()
    assert (by_noise - latents(recorder)).abs().max() < 1e-5 * scale
    assert torch.equal(by_noise, by_generator)
    assert (by_noise - pipe(**CALL, generator=generator()).images).abs().max() > 1e-3 * scale


def test_guidance_itself_is_reproduced_to_the_bit() -> None:
    """With equal rows in both runs, the applied run is the recorded one to the bit: what the applier adds is exact."""
    pipe = stable_diffusion()
    recorder = Recorder(pipe, [GLASSES, SMILE], edit_momentum_scale=0.3)

    class Padded(Applier):
        """Appends as many rows as recording does, so that kernels see equal batches."""

    rows = 4

    def pad(_module: Any, args: Any, kwargs: Any) -> Any:
        missing = rows - args[0].shape[0]
        if missing <= 0:
            return None
        more = {"encoder_hidden_states": torch.cat([kwargs["encoder_hidden_states"], concepts])}
        return (torch.cat([args[0], args[0][:missing]]), *args[1:]), {**kwargs, **more}

    def cut(_module: Any, _args: Any, output: Any) -> Any:
        return (output[0][:2],) if padded else output

    concepts = torch.cat([pipe.encode_prompt(c.text, "cpu", 1, False)[0] for c in recorder.concepts])
    padded = False
    recorded = recorder(**CALL, generator=generator()).images
    padded = True
    pipe.unet.register_forward_pre_hook(pad, with_kwargs=True)
    pipe.unet.register_forward_hook(cut)
    applied = Padded(pipe, recorder.vectors, noise=recorder.noises[0])(**CALL).images
    assert torch.equal(applied, recorded)


def test_no_denoiser_row_is_made_for_a_concept() -> None:
    pipe = stable_diffusion()
    recorder = record(pipe, GLASSES, SMILE)
    with DenoiserRows(pipe) as price:
        Applier(pipe, recorder.vectors, noise=recorder.noises[0])(**OTHER)
    assert (price.calls, price.rows) == (6, 12)


@pytest.mark.parametrize("zero", [{"edit_guidance_scale": 0.0}, {"edit_weights": 0.0}, {"edit_warmup_steps": 99}])
@pytest.mark.parametrize("make", [stable_diffusion, stable_diffusion_xl])
def test_nothing_added_is_the_plain_run_to_the_bit(make: Any, zero: dict[str, Any]) -> None:
    pipe = make()
    recorder = record(pipe, GLASSES)
    plain = pipe(**OTHER, generator=generator()).images
    assert torch.equal(Applier(pipe, recorder.vectors, **zero)(**OTHER, generator=generator()).images, plain)
    assert torch.equal(Applier(pipe, [])(**OTHER, generator=generator()).images, plain)


def test_a_stochastic_run_is_replayed_by_the_state_of_its_generator() -> None:
    """A fresh generator's seed is kept with the noise; one that has drawn before has to be given again."""
    pipe = stable_diffusion()
    pipe.scheduler = SAMPLERS["euler_ancestral"].build()
    used = generator()
    torch.randn(3, generator=used)
    state = used.get_state()
    recorder = Recorder(pipe, [GLASSES])
    recorded = recorder(**CALL, generator=used).images
    applier = Applier(pipe, recorder.vectors, noise=recorder.noises[0])
    again = generator()
    again.set_state(state)
    assert torch.equal(again.get_state(), state)
    torch.testing.assert_close(applier(**CALL, generator=again).images, recorded, rtol=1e-5, atol=1e-4)
    assert (applier(**CALL, generator=generator()).images - recorded).abs().max() > 1
    fresh = record(pipe, GLASSES)
    replayed = Applier(pipe, fresh.vectors, noise=fresh.noises[0])(**CALL).images
    torch.testing.assert_close(replayed, latents(fresh), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("make", [stable_diffusion, stable_diffusion_xl])
def test_negating_equals_reversing(make: Any) -> None:
    pipe = make()
    (vector,) = record(pipe, GLASSES).vectors
    call = {**OTHER, "generator": None}

    def run(vectors: list[GuidanceVector], **options: Any) -> torch.Tensor:
        images: torch.Tensor = Applier(pipe, vectors, **options)(**{**call, "generator": generator()}).images
        return images

    assert torch.equal(run([-vector]), run([vector], reverse_editing_direction=True))
    assert torch.equal(run([vector], edit_guidance_scale=-4.0), run([vector], reverse_editing_direction=True))
    assert torch.equal(run([2 * vector]), run([vector], edit_guidance_scale=8.0))


@pytest.mark.parametrize("make", [stable_diffusion, stable_diffusion_xl])
def test_a_stricter_threshold_equals_thresholding_the_recording(make: Any) -> None:
    pipe = make()
    loose, strict = (
        record(pipe, Concept("glasses", 4.0, λ, 1, keep_threshold=0.8), guide=False).vectors[0] for λ in (0.8, 0.97)
    )
    applied = Applier(pipe, [loose], edit_threshold=0.97)(**OTHER, generator=generator()).images
    again = Applier(pipe, [strict])(**OTHER, generator=generator()).images
    assert torch.equal(applied, again)


@pytest.mark.parametrize("make", [stable_diffusion, stable_diffusion_xl])
def test_joint_momentum_is_the_sum_of_single_ones(make: Any) -> None:
    """Momentum is linear: what two vectors add together is the sum of what each adds alone, at the first step too."""
    pipe = make()
    one, two = record(pipe, GLASSES, Concept("hat", 6.0, 0.9, 1), edit_momentum_scale=0.5, edit_mom_beta=0.7).vectors
    added: dict[str, list[torch.Tensor]] = {}
    for name, vectors in {"plain": [], "one": [one], "two": [two], "both": [one, two]}.items():
        outputs: list[torch.Tensor] = []

        def step(output: Any, t: Any, sample: Any, *, seen: Any = outputs, **kwargs: Any) -> Any:
            seen.append(output)
            return type(pipe.scheduler).step(pipe.scheduler, torch.zeros_like(output), t, sample, **kwargs)

        pipe.scheduler.step = step  # the trajectory is the same whatever is added
        Applier(pipe, vectors)(**OTHER, generator=generator())
        del pipe.scheduler.step
        added[name] = outputs
    for plain, first, second, both in zip(*(added[n] for n in ("plain", "one", "two", "both")), strict=True):
        torch.testing.assert_close(both - plain, (first - plain) + (second - plain), rtol=1e-4, atol=1e-4)
    assert all(
        (both - plain).abs().max() > 0.1 for plain, both in list(zip(added["plain"], added["both"], strict=True))[1:]
    )


@pytest.mark.parametrize("make", [stable_diffusion, stable_diffusion_xl])
def test_a_sum_of_vectors_equals_applying_both(make: Any) -> None:
    pipe = make()
    hat = Concept("hat", 4.0, 0.9, 1)
    one, two = record(pipe, GLASSES, hat).vectors
    both = Applier(pipe, [one, two])(**OTHER, generator=generator()).images
    summed = Applier(pipe, [one + two])(**OTHER, generator=generator()).images
    torch.testing.assert_close(summed, both, rtol=1e-5, atol=1e-4)


def test_vectors_of_different_recordings_and_momenta() -> None:
    pipe = stable_diffusion()
    one = record(pipe, GLASSES, edit_momentum_scale=0.5).vectors[0]
    two = record(pipe, SMILE, guide=False).vectors[0]
    applier = Applier(pipe, [one, two])
    mixed = applier(**OTHER, generator=generator()).images
    same = Applier(pipe, [one, two], edit_momentum_scale=0.5)(**OTHER, generator=generator()).images
    assert torch.isfinite(mixed).all()
    assert not torch.equal(mixed, same)
    assert [c.answer for c in applier.compatibility] == ["exact", "exact"]


def test_a_list_gives_each_vector_its_own_value() -> None:
    pipe = stable_diffusion()
    vectors = record(pipe, GLASSES, Concept("hat", 4.0, 0.9, 1)).vectors
    listed = Applier(pipe, vectors, edit_guidance_scale=[2.0, None])(**OTHER, generator=generator()).images
    halved = Applier(pipe, [0.5 * vectors[0], vectors[1]])(**OTHER, generator=generator()).images
    torch.testing.assert_close(listed, halved, rtol=1e-5, atol=1e-4)
    with pytest.raises(InvalidInputError, match="one a vector \\(2\\), met a list of 3"):
        Applier(pipe, vectors, edit_guidance_scale=[1.0, 2.0, 3.0])


def test_a_vector_acts_on_the_samples_of_its_noise() -> None:
    pipe = stable_diffusion()
    one, two = record(pipe, GLASSES, seed=1), record(pipe, GLASSES, seed=2)
    call = {**CALL, "prompt": ["a king", "a queen"]}
    together = Applier(pipe, [*one.vectors, *two.vectors], noise=[*one.noises, *two.noises])(**call).images
    for row, (recorder, prompt) in enumerate([(one, "a king"), (two, "a queen")]):
        alone = Applier(pipe, recorder.vectors, noise=recorder.noises[0])(**{**CALL, "prompt": prompt}).images
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-4, atol=1e-4)
    only_first = Applier(pipe, one.vectors, noise=[*one.noises, *two.noises])(**call).images
    plain = pipe(**{**CALL, "prompt": "a queen"}, generator=generator(2)).images
    torch.testing.assert_close(only_first[1:], plain, rtol=1e-4, atol=1e-4)


def test_one_noise_serves_a_batch_of_prompts() -> None:
    pipe = stable_diffusion()
    recorder = record(pipe, GLASSES)
    batch = Applier(pipe, recorder.vectors, noise=recorder.noises[0])(
        **{**CALL, "prompt": ["a king", "a queen"], "num_images_per_prompt": 2}
    ).images
    assert batch.shape[0] == 4
    torch.testing.assert_close(batch[0], batch[1], rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(batch[0:1], latents(recorder), rtol=1e-4, atol=1e-4)


def test_another_noise_is_applied_where_it_is_allowed() -> None:
    pipe = stable_diffusion()
    recorder = record(pipe, GLASSES)
    applier = Applier(pipe, recorder.vectors, allow={"noise"})
    moved = applier(**CALL, generator=generator(9)).images
    assert not torch.equal(moved, pipe(**CALL, generator=generator(9)).images)


@pytest.mark.parametrize(
    ("recorded", "applied"), [("ddim", "dpmsolver++"), ("euler", "ddim"), ("pndm", "euler"), ("ddim", "pndm")]
)
def test_another_schedule(recorded: str, applied: str) -> None:
    recorder = Recorder(stable_diffusion(recorded), [GLASSES])
    recorder(**{**CALL, "num_inference_steps": 20}, generator=generator())
    pipe = stable_diffusion(applied)
    applier = Applier(pipe, recorder.vectors, noise=recorder.noises[0])
    edited = applier(**{**CALL, "num_inference_steps": 10}).images
    plain = pipe(**{**CALL, "num_inference_steps": 10}, generator=generator()).images
    assert applier.compatibility[0].answer == "compatible"
    assert "num_inference_steps 10 instead of 20" in applier.compatibility[0].differences
    fresh = Recorder(pipe, [GLASSES])
    theirs = fresh(**{**CALL, "num_inference_steps": 10}, generator=generator()).images
    change, expected = (edited - plain).flatten(), (theirs - plain).flatten()
    assert torch.cosine_similarity(change, expected, dim=0) > 0.7


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    pipe = stable_diffusion().to(dtype)
    recorder = record(pipe, GLASSES)
    applied = Applier(pipe, recorder.vectors, noise=recorder.noises[0])(**CALL).images
    plain = pipe(**CALL, generator=generator()).images
    error = (applied - latents(recorder)).float().norm()
    assert error < 0.2 * (latents(recorder) - plain).float().norm()


@pytest.mark.parametrize("fault", [False, True])
def test_the_pipeline_is_left_as_it_was(fault: bool) -> None:
    pipe = stable_diffusion()
    recorder = record(pipe, GLASSES)
    before = pipe(**CALL, generator=generator()).images
    attributes = set(vars(pipe)), set(vars(pipe.scheduler))

    def fail(*_: Any) -> Any:
        raise RuntimeError("a fault in the middle")

    applier = Applier(pipe, recorder.vectors)
    if fault:
        with pytest.raises(RuntimeError, match="a fault in the middle"):
            applier(**CALL, generator=generator(), callback_on_step_end=fail)
    else:
        applier(**CALL, generator=generator())
    assert (set(vars(pipe)), set(vars(pipe.scheduler))) == attributes
    assert torch.equal(pipe(**CALL, generator=generator()).images, before)


def test_another_size_is_remembered_and_asked_for() -> None:
    pipe = stable_diffusion()
    recorder = Recorder(pipe, [Concept("glasses", 4.0, 0.9, 1)])
    recorded = recorder(**CALL, height=16, width=24, generator=generator()).images
    vector, applier = recorder.vectors[0], Applier(pipe, recorder.vectors, noise=recorder.noises[0])
    assert vector.provenance.run.arguments == {"height": 16, "width": 24}
    replayed = applier(**CALL, **vector.provenance.run.arguments).images
    torch.testing.assert_close(replayed, recorded, rtol=1e-4, atol=1e-4)
    with pytest.raises(IncompatibleError, match=r"\(4, 8, 12\).*run at the recorded height and width"):
        applier(**CALL)


def test_bad_input() -> None:
    pipe = stable_diffusion()
    recorder = record(pipe, GLASSES)
    vectors, noise = recorder.vectors, recorder.noises[0]
    with pytest.raises(InvalidInputError, match="looser than the recording"):
        Applier(pipe, vectors, edit_threshold=0.5)
    with pytest.raises(InvalidInputError, match="edit_threshold"):
        Applier(pipe, vectors, edit_threshold=1.0)
    with pytest.raises(InvalidInputError, match="reverse_editing_direction"):
        Applier(pipe, vectors, edit_weights=-1.0)
    with pytest.raises(InvalidInputError, match="allow may name"):
        Applier(pipe, vectors, allow={"seed"})
    with pytest.raises(InvalidInputError, match="both noise= and latents="):
        Applier(pipe, vectors, noise=noise)(**CALL, latents=torch.zeros(1, 4, 16, 16))
    with pytest.raises(InvalidInputError, match="one a sample \\(1\\), met 2"):
        Applier(pipe, vectors, noise=[noise, noise])(**CALL)
    other = InitialNoise(np.zeros((4, 8, 8), np.float32))
    with pytest.raises(IncompatibleError, match=r"shape \(4, 16, 16\), this run's are \(4, 8, 8\)"):
        Applier(pipe, vectors, noise=other)(**CALL)


class Twice(StableDiffusionPipeline):  # type: ignore[misc]
    """Makes two pictures of each prompt without an argument that says so."""

    def __call__(self, prompt: str, num_inference_steps: int = 2, generator: Any = None) -> Any:
        return super().__call__(
            [prompt, prompt], None, None, num_inference_steps, output_type="latent", generator=generator
        )


def test_a_run_makes_as_many_samples_as_its_prompts_say() -> None:
    recorder = record(stable_diffusion(), GLASSES)
    applier = Applier(stable_diffusion(pipeline=Twice), recorder.vectors, allow={"noise"})
    with pytest.raises(IncompatibleError, match="must make 1 samples as its prompts say, met 2"):
        applier("a king")


def starting_elsewhere(pipe: Any, count: int) -> None:
    """From its `count`-th call on, the pipeline starts from something else than the noise that it drew."""
    prepare, calls = pipe.prepare_latents, iter(range(1, 9))

    def prepared(*args: Any, **kwargs: Any) -> Any:
        noise = prepare(*args, **kwargs)
        return noise if next(calls) < count else noise.flip(-1)

    pipe.prepare_latents = prepared


def test_a_run_starts_from_the_stored_noise() -> None:
    pipe = stable_diffusion()
    recorder = record(pipe, GLASSES)
    starting_elsewhere(pipe, 1)
    for vectors in (recorder.vectors, []):
        with pytest.raises(IncompatibleError, match=r"from the stored noise of shape \(4, 16, 16\), .* other samples"):
            Applier(pipe, vectors, noise=recorder.noises[0])(**CALL)


def test_a_run_starts_from_the_noise_that_was_checked() -> None:
    pipe = stable_diffusion()
    recorder = record(pipe, GLASSES)
    starting_elsewhere(pipe, 2)
    with pytest.raises(IncompatibleError, match="must start from the noise that was checked"):
        Applier(pipe, recorder.vectors)(**CALL, generator=generator())
