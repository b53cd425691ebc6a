"""Recording and applying beside other features of the same run."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    ControlNetModel,
    FluxImg2ImgPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
)
from torch import Tensor
from torch.utils import _pytree as pytree

from sega_vectors import Applier, Concept, IncompatibleError, Recorder
from sega_vectors.guidance import keep_tails

from .families import FAMILIES
from .samplers import SAMPLERS
from .tiny import stable_diffusion, stable_diffusion_xl

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


def rows_at_each_step(pipe: Any, call: Mapping[str, Any], **changes: Any) -> list[tuple[Any, dict[str, Any]]]:
    """The arguments of each of a run's denoiser calls."""
    seen: list[tuple[Any, dict[str, Any]]] = []
    handle = pipe.unet.register_forward_pre_hook(lambda _, args, kwargs: seen.append((args, kwargs)), with_kwargs=True)
    try:
        run(pipe, call, **changes)
    finally:
        handle.remove()
    return seen


@torch.no_grad()
def psi_by_hand(pipe: Any, args: Any, kwargs: Mapping[str, Any]) -> Tensor:
    """ψ of `GLASSES` by a call of one row: all but the text is the unconditional row's."""

    def first(leaf: Any) -> Any:
        return leaf[:1] if isinstance(leaf, Tensor) and leaf.ndim > 0 and leaf.shape[0] == 2 else leaf

    (sample, timestep), kwargs = pytree.tree_map(first, (args, dict(kwargs)))
    embeds = pipe.encode_prompt(GLASSES.text, "cpu", 1, False)[0]
    uncond = pipe.unet(sample, timestep, **{**kwargs, "return_dict": False})[0]
    edit = pipe.unet(sample, timestep, **{**kwargs, "encoder_hidden_states": embeds, "return_dict": False})[0]
    return keep_tails(edit - uncond, GLASSES.keep_threshold)[0]


def control_net() -> Any:
    pipe = stable_diffusion()
    torch.manual_seed(1)
    control = ControlNetModel.from_unet(pipe.unet, conditioning_embedding_out_channels=(8, 16)).eval()
    with torch.no_grad():
        for parameter in [*control.controlnet_down_blocks.parameters(), *control.controlnet_mid_block.parameters()]:
            parameter.normal_(std=0.2)  # real ones start at zero
    pipe = StableDiffusionControlNetPipeline(**pipe.components, controlnet=control, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize("guess_mode", [False, True])
def test_controlnet(guess_mode: bool) -> None:
    """Its residuals depend on text and noise, and stay those of the run's own call."""
    pipe = control_net()
    call = {**CALL, "image": picture(), "guess_mode": guess_mode}
    recorder = reproduced(pipe, call)
    observer = Recorder(pipe, [GLASSES], guide=False)
    run(observer, call)
    dense = torch.from_numpy(observer.vectors[0].dense())
    for step, (args, kwargs) in enumerate(rows_at_each_step(pipe, call)):
        assert kwargs["mid_block_additional_residual"].shape[0] == 2
        torch.testing.assert_close(dense[step], psi_by_hand(pipe, args, kwargs), rtol=1e-3, atol=1e-5)
    run(Applier(pipe, recorder.vectors, noise=recorder.noises[0]), call, generator=None)
    elsewhere = Applier(pipe, recorder.vectors)
    run(elsewhere, {**call, "image": 1 - picture()})


def test_ip_adapter() -> None:
    pipe = stable_diffusion()
    bare = Recorder(pipe, [GLASSES])
    run(bare, CALL)
    drawn = generator(5)

    def weight(*shape: int) -> Tensor:
        return torch.randn(shape, generator=drawn) / shape[-1] ** 0.5

    widths = {"down_blocks": 16, "mid_block": 16, "up_blocks": 16}
    adapter = {}
    for key, name in enumerate(pipe.unet.attn_processors):
        if "attn2" in name:
            for matrix in ("to_k_ip", "to_v_ip"):
                adapter[f"{key}.{matrix}.weight"] = weight(widths[name.split(".")[0]], 32)
    projection = {"proj.weight": weight(4 * 32, 8), "proj.bias": torch.zeros(4 * 32)}
    projection |= {"norm.weight": torch.ones(32), "norm.bias": torch.zeros(32)}
    pipe.load_ip_adapter({"image_proj": projection, "ip_adapter": adapter}, "", "", image_encoder_folder=None)
    call = {**CALL, "ip_adapter_image_embeds": [torch.randn(2, 1, 8, generator=drawn)]}
    recorder = reproduced(pipe, call)
    observer = Recorder(pipe, [GLASSES], guide=False)
    run(observer, call)
    dense = torch.from_numpy(observer.vectors[0].dense())
    for step, (args, kwargs) in enumerate(rows_at_each_step(pipe, call)):
        torch.testing.assert_close(dense[step], psi_by_hand(pipe, args, kwargs), rtol=1e-3, atol=1e-5)
    assert not np.array_equal(recorder.vectors[0].dense(), bare.vectors[0].dense())
    applier = Applier(pipe, bare.vectors)
    run(applier, call)
    assert applier.compatibility[0].answer == "compatible"


def test_lora() -> None:
    pytest.importorskip("peft")
    from peft import LoraConfig

    pipe = stable_diffusion()
    bare = Recorder(pipe, [GLASSES])
    before = run(bare, CALL)
    torch.manual_seed(2)
    pipe.unet.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=["to_q", "to_k", "to_v"], init_lora_weights=False))
    recorder = reproduced(pipe, CALL)
    applier = Applier(pipe, bare.vectors)
    run(applier, CALL)
    assert applier.compatibility[0].answer == "compatible"
    assert "fingerprints differ" in applier.compatibility[0].differences[0]
    pipe.unload_lora_weights()
    applied = run(Applier(pipe, bare.vectors), CALL)
    assert (applied - before).abs().max() < 1e-5 * before.abs().max()
    applier = Applier(pipe, [*bare.vectors, *recorder.vectors])
    run(applier, CALL)
    assert [c.answer for c in applier.compatibility] == ["exact", "compatible"]


def test_guidance_rescale() -> None:
    """SEGA's guidance is added after the rescaling."""
    pipe = stable_diffusion()
    call = {**CALL, "guidance_rescale": 0.7}
    recorder = reproduced(pipe, call)
    outputs: list[Tensor] = []
    step = pipe.scheduler.step
    pipe.scheduler.step = lambda output, *args, **kwargs: outputs.append(output) or step(output, *args, **kwargs)
    run(pipe, call)
    run(Applier(pipe, recorder.vectors, edit_momentum_scale=0.0, edit_warmup_steps=0), call)
    kept = recorder.vectors[0].thresholded(GLASSES.edit_threshold).dense()[0]
    torch.testing.assert_close((outputs[6] - outputs[0])[0], 4 * torch.from_numpy(kept), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("xl", [False, True])
def test_embeddings_instead_of_prompts(xl: bool) -> None:
    pipe = stable_diffusion_xl() if xl else stable_diffusion()
    if xl:
        names = "prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds"
        embeds = dict(zip(names, pipe.encode_prompt("a king", device="cpu"), strict=True))
    else:
        embeds = dict(zip(("prompt_embeds", "negative_prompt_embeds"), pipe.encode_prompt("a king", "cpu", 1, True), strict=True))
    call = {**CALL, "prompt": None, **embeds}
    recorder = reproduced(pipe, call)
    named = Recorder(pipe, [GLASSES])
    recorded = run(named, CALL)
    assert torch.equal(recorded, run(recorder, call))
    assert np.array_equal(named.vectors[0].dense(), recorder.vectors[0].dense())
    applied = run(Applier(pipe, recorder.vectors), CALL)
    assert (applied - recorded).abs().max() < 1e-5 * recorded.abs().max()


def test_a_negative_prompt() -> None:
    pipe = stable_diffusion()
    recorder = reproduced(pipe, {**CALL, "negative_prompt": "blurred"})
    plain = Recorder(pipe, [GLASSES])
    run(plain, CALL)
    assert not np.array_equal(recorder.vectors[0].dense(), plain.vectors[0].dense())
    assert recorder.vectors[0].provenance.run.negative_prompt == "blurred"
    assert reproduced(pipe, {**CALL, "prompt": ["a king"], "negative_prompt": ["blurred"]}).vectors[0].provenance.run.negative_prompt == "blurred"
