"""Recording and applying beside other features of the same run."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    FluxImg2ImgPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
)
from torch import Tensor

from sega_vectors import Applier, Concept, IncompatibleError, Recorder

from .families import FAMILIES
from .samplers import SAMPLERS
from .tiny import stable_diffusion

GLASSES = Concept("glasses", 4.0, 0.9, 1)
CALL: dict[str, Any] = {"prompt": "a king", "num_inference_steps": 6, "output_type": "latent"}
OTHER = {"prompt": "a drawing of a queen"}


def generator(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def picture(height: int = 32, width: int = 32) -> Tensor:
    return torch.rand(1, 3, height, width, generator=generator(9))


def run(runner: Any, call: Mapping[str, Any], **changes: Any) -> Tensor:
    images: Tensor = runner(**{**call, "generator": generator(), **changes}).images
    return images


def reproduced(pipe: Any, call: Mapping[str, Any], *concepts: Concept) -> Recorder:
    """Record; applying gives the recorded run, another prompt another one, and the pipeline is left as it was."""
    plain = run(pipe, call)
    recorder = Recorder(pipe, concepts or [GLASSES])
    recorded = run(recorder, call)
    edit = (recorded - plain).abs().max()
    assert edit > 1e-2 * plain.abs().max()
    applier = Applier(pipe, recorder.vectors)
    assert (run(applier, call) - recorded).abs().max() < 1e-4 * edit
    assert [c.answer for c in applier.compatibility] == ["exact"] * len(recorder.vectors)
    if call.get("prompt") is not None:
        moved = run(applier, {**call, **OTHER})
        assert (moved - recorded).abs().max() > edit / 10
        assert (moved - run(pipe, {**call, **OTHER})).abs().max() > edit / 10
    assert torch.equal(run(pipe, call), plain)
    return recorder


@cache
def image_to_image() -> Any:
    return stable_diffusion(pipeline=StableDiffusionImg2ImgPipeline)


@pytest.mark.parametrize("strength", [0.5, 0.7])
@pytest.mark.parametrize("sampler", ["ddim", "pndm", "euler", "heun", "kdpm2_ancestral", "lcm"])
def test_image_to_image(sampler: str, strength: float) -> None:
    """A part of the timesteps: recorded and applied from the place where the run starts, repeated ones included."""
    pipe = image_to_image()
    pipe.scheduler = SAMPLERS[sampler].build()
    recorder = reproduced(pipe, {**CALL, "image": picture(), "strength": strength})
    vector = recorder.vectors[0]
    planned = pipe.scheduler.timesteps.double().numpy()
    assert len(vector.timesteps) < len(planned)
    assert np.array_equal(vector.timesteps, planned[-len(vector.timesteps) :])
    assert vector.provenance.run.arguments == {"strength": strength}


def test_image_to_image_of_a_flow_model_with_packed_latents() -> None:
    pipe = FluxImg2ImgPipeline(**FAMILIES["flux"].build().components)
    pipe.set_progress_bar_config(disable=True)
    pipe.vae.register_to_config(shift_factor=0.1)
    call = {**FAMILIES["flux"].arguments, "num_inference_steps": 6, "image": picture(16, 24), "strength": 0.7}
    assert reproduced(pipe, call).vectors[0].support.shape[1:] == FAMILIES["flux"].sample_shape


def test_a_recording_without_an_image_is_another_noise_s() -> None:
    recorder = Recorder(stable_diffusion(), [GLASSES])
    run(recorder, CALL)
    pipe, call = image_to_image(), {**CALL, "image": picture(), "strength": 0.5}
    pipe.scheduler = SAMPLERS["ddim"].build()
    calls: list[Any] = []
    with pytest.raises(IncompatibleError, match="initial noise"):
        run(Applier(pipe, recorder.vectors), call, callback_on_step_end=lambda *_: calls.append(_))
    with pytest.raises(IncompatibleError, match="draws more of that size.*pass the recorded generator"):
        run(Applier(pipe, recorder.vectors, noise=recorder.noises[0]), call, generator=None)
    assert calls == []

    outputs: list[Tensor] = []
    step = pipe.scheduler.step
    pipe.scheduler.step = lambda output, *args, **kwargs: outputs.append(output) or step(output, *args, **kwargs)
    run(pipe, call)
    run(Applier(pipe, recorder.vectors, allow={"noise"}, edit_momentum_scale=0.0), call)
    added = (outputs[3] - outputs[0])[0]  # at the first of three steps, the recording's fourth
    matched = recorder.vectors[0].thresholded(GLASSES.edit_threshold).dense()[3]
    torch.testing.assert_close(added, 4 * torch.from_numpy(matched), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("strength", [0.7, 1.0])
def test_inpainting(strength: float) -> None:
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1
    pipe = stable_diffusion(pipeline=StableDiffusionInpaintPipeline)
    call = {**CALL, "image": picture(), "mask_image": mask, "strength": strength, "height": 32, "width": 32}
    recorder = reproduced(pipe, call)
    with pytest.raises(IncompatibleError, match="draws more of that size"):
        run(Applier(pipe, recorder.vectors, noise=recorder.noises[0]), call, generator=None)
    if strength == 1:  # then it starts from noise alone, which may be given
        noise = torch.from_numpy(np.array(recorder.noises[0].array))[None]
        applied = run(Applier(pipe, recorder.vectors), call, latents=noise)
        assert (applied - run(pipe, call, latents=noise)).abs().max() > 1e-2 * noise.abs().max()
