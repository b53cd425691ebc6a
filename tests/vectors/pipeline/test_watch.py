"""Watching a call up to its first denoiser call."""

from typing import Any

import pytest
import torch

from sega_store import InitialNoise, PipelineError
from sega_vectors import Applier, Concept, IncompatibleError, InvalidInputError, Recorder
from sega_vectors.latents.tensors import as_numpy
from sega_vectors.pipeline.call import PipelineCall
from sega_vectors.pipeline.watch import watch, watch_denoiser
from tests.vectors.families import FAMILIES
from tests.vectors.tiny import stable_diffusion


def bound(pipe: Any, **arguments: Any) -> PipelineCall:
    return PipelineCall.bind(pipe, ("a king",), {"num_inference_steps": 3, "output_type": "latent", **arguments})


def drawn(seed: int, rows: int = 1) -> list[InitialNoise]:
    noise = torch.randn(rows, 4, 16, 16, generator=torch.Generator().manual_seed(seed))
    return [InitialNoise(as_numpy(one)) for one in noise]


@pytest.mark.parametrize("sampler", ["ddim", "euler"])  # euler scales the noise by σ = 14.6
def test_the_noise_is_what_the_generator_drew(sampler: str) -> None:
    pipe = stable_diffusion(sampler)
    (noise,) = watch(bound(pipe, generator=torch.Generator().manual_seed(5))).noises
    assert noise == drawn(5)[0]
    assert noise.seed == 5


def test_given_latents_are_the_noise_and_have_no_seed() -> None:
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(6))
    (noise,) = watch(bound(stable_diffusion(), latents=latents)).noises
    assert noise == drawn(6)[0]
    assert noise.seed is None


def test_samples_have_noises_of_their_own_and_a_seed_where_each_has_a_generator() -> None:
    pipe = stable_diffusion()
    shared = watch(bound(pipe, num_images_per_prompt=2, generator=torch.Generator().manual_seed(5))).noises
    assert shared == drawn(5, rows=2)
    assert [noise.seed for noise in shared] == [None, None]
    each = [torch.Generator().manual_seed(seed) for seed in (7, 8)]
    apart = watch(bound(pipe, num_images_per_prompt=2, generator=each)).noises
    assert apart == [*drawn(7), *drawn(8)]
    assert [noise.seed for noise in apart] == [7, 8]


def test_the_denoiser_s_call_is_seen_and_never_made() -> None:
    pipe = stable_diffusion()
    made: list[int] = []
    handle = pipe.unet.register_forward_hook(lambda *_: made.append(1))
    call = watch_denoiser(bound(pipe))
    handle.remove()
    assert made == []
    assert call.rows == 2  # both halves of classifier-free guidance
    assert call.samples.shape == (2, 4, 16, 16)


def test_a_packed_pipeline_s_noise_is_unpacked() -> None:
    family = FAMILIES["flux"]
    pipe = family.build()
    arguments = {**family.arguments, "generator": torch.Generator().manual_seed(3)}
    watched = watch(PipelineCall.bind(pipe, (), arguments))
    assert watched.packing is not None
    assert watched.noises[0].shape == watched.packing.shape
    again = watch(PipelineCall.bind(pipe, (), {**arguments, "latents": watched.call.samples}))
    assert again.packing is not None
    assert again.noises[0] == watched.noises[0]


class Idle:
    """A pipeline whose call returns at once."""

    def __call__(self, prompt: str, num_inference_steps: int = 1, output_type: str = "pil", **others: Any) -> None:
        del prompt, num_inference_steps, output_type, others


def test_a_call_that_ends_before_its_denoiser_is_refused() -> None:
    pipe = stable_diffusion()
    pipe.__class__ = type("IdlePipeline", (Idle, type(pipe)), {})
    with pytest.raises(PipelineError, match="at least once, this one of IdlePipeline with 3 steps never did"):
        watch(bound(pipe))


def test_a_call_that_is_refused_after_it_was_watched_frees_what_offloading_moved() -> None:
    pipe = stable_diffusion()
    recorder = Recorder(pipe, [Concept("glasses", 4.0, 0.9, 1)])
    call: dict[str, Any] = {"prompt": "a king", "output_type": "latent"}
    recorder(**call, num_inference_steps=3, generator=torch.Generator().manual_seed(3))
    applier, freed = Applier(pipe, recorder.vectors), list[int]()
    pipe.maybe_free_model_hooks = lambda: freed.append(1)
    with pytest.raises(InvalidInputError, match="must guide a step"):
        recorder(**call, num_inference_steps=1)
    assert len(freed) == 1
    with pytest.raises(IncompatibleError, match="initial noise"):
        applier(**call, num_inference_steps=3, generator=torch.Generator().manual_seed(4))
    assert len(freed) == 2
    applier(**call, num_inference_steps=3, generator=torch.Generator().manual_seed(3))
    assert len(freed) == 3, "by the run itself"
