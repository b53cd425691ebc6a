"""Recording and applying beside other features of the same run."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.hooks import CpuOffload
from diffusers import (
    ControlNetModel,
    FasterCacheConfig,
    FirstBlockCacheConfig,
    FluxImg2ImgPipeline,
    PyramidAttentionBroadcastConfig,
    StableDiffusionControlNetPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPAGPipeline,
    StableDiffusionXLImg2ImgPipeline,
)
from diffusers.callbacks import SDCFGCutoffCallback
from torch import Tensor
from torch.utils import _pytree as pytree

from sega_vectors import Applier, Concept, IncompatibleError, PipelineError, Recorder
from sega_vectors.maths.guidance import keep_tails

from .closeness import assert_same_entries, rounding
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
    """A run with a generator for each prompt of a list, which is copied: Z-Image's pipeline writes into it."""
    prompt, drawn = call["prompt"], generator()
    if isinstance(prompt, list):
        changes = {"prompt": list(prompt), "generator": [generator(seed) for seed in range(len(prompt))], **changes}
    images: Tensor = runner(**{**call, "generator": drawn, "return_dict": False, **changes})[0]
    return images


def reproduced(pipe: Any, call: Mapping[str, Any], *concepts: Concept) -> Recorder:
    """Record; applying gives the recorded run, another prompt another one, and the pipeline is left as it was."""
    plain = run(pipe, call)
    recorder = Recorder(pipe, concepts or [GLASSES])
    recorded = run(recorder, call)
    edit = (recorded - plain).abs().max()
    assert edit > 1e-2 * plain.abs().max()
    applier = Applier(pipe, recorder.vectors)
    assert (run(applier, call) - recorded).abs().max() < rounding(recorded, plain)
    assert [c.answer for c in applier.compatibility] == ["exact"] * len(recorder.vectors)
    if isinstance(call["prompt"], str):
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
    assert vector.provenance.run.arguments["strength"] == strength


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
    with pytest.raises(IncompatibleError, match=r"draws more of that size.*pass the recorded generator"):
        run(Applier(pipe, recorder.vectors, noise=recorder.noises[0]), call, generator=None)
    assert calls == []

    outputs = kept_outputs(pipe)
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


def kept_outputs(pipe: Any) -> list[Tensor]:
    """What the scheduler is going to get from now on."""
    outputs: list[Tensor] = []
    step = pipe.scheduler.step

    def kept(output: Tensor, *args: Any, **kwargs: Any) -> Any:
        outputs.append(output)
        return step(output, *args, **kwargs)

    pipe.scheduler.step = kept
    return outputs


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
    kept: Tensor = keep_tails(edit - uncond, GLASSES.keep_threshold)[0]
    return kept


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
        assert_same_entries(dense[step, None], psi_by_hand(pipe, args, kwargs)[None], rtol=1e-3, atol=1e-5)
    applier = Applier(pipe, recorder.vectors, noise=recorder.noises[0])
    assert torch.equal(run(applier, call, generator=None), run(Applier(pipe, recorder.vectors), call))
    run(applier, {**call, "image": 1 - picture()}, generator=None)
    assert applier.compatibility[0].differences[0].startswith("image sha256:")
    assert recorder.recipes(**call, generator=generator()) == [recorder.vectors[0].recipe]
    assert recorder.recipes(**{**call, "image": 1 - picture()}, generator=generator()) != [recorder.vectors[0].recipe]


def test_ip_adapter() -> None:
    pipe = stable_diffusion()
    bare = Recorder(pipe, [GLASSES])
    run(bare, CALL)
    drawn = generator(5)

    def weight(*shape: int) -> Tensor:
        drawn_weight: Tensor = torch.randn(shape, generator=drawn) / shape[-1] ** 0.5
        return drawn_weight

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
        assert_same_entries(dense[step, None], psi_by_hand(pipe, args, kwargs)[None], rtol=1e-3, atol=1e-5)
    assert not np.array_equal(recorder.vectors[0].dense(), bare.vectors[0].dense())
    applier = Applier(pipe, [*bare.vectors, *recorder.vectors])
    run(applier, call)
    assert [c.answer for c in applier.compatibility] == ["compatible", "exact"]
    pipe.set_ip_adapter_scale(0.5)
    run(applier, call)
    assert [c.answer for c in applier.compatibility] == ["compatible", "compatible"]


def test_lora() -> None:
    pytest.importorskip("peft")
    from peft import LoraConfig

    pipe = stable_diffusion()
    bare = Recorder(pipe, [GLASSES])
    before = run(bare, CALL)
    torch.manual_seed(2)
    pipe.unet.add_adapter(
        LoraConfig(r=4, lora_alpha=4, target_modules=["to_q", "to_k", "to_v"], init_lora_weights=False)
    )
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
    outputs = kept_outputs(pipe)
    run(pipe, call)
    run(Applier(pipe, recorder.vectors, edit_momentum_scale=0.0, edit_warmup_steps=0), call)
    kept = recorder.vectors[0].thresholded(GLASSES.edit_threshold).dense()[0]
    torch.testing.assert_close((outputs[6] - outputs[0])[0], 4 * torch.from_numpy(kept), rtol=1e-4, atol=1e-5)


@torch.no_grad()  # as pipelines encode texts
@pytest.mark.parametrize("xl", [False, True])
def test_embeddings_instead_of_prompts(xl: bool) -> None:
    pipe: Any
    names: tuple[str, ...]
    if xl:
        pipe = stable_diffusion_xl()
        names = "prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds"
        encoded = pipe.encode_prompt("a king", device="cpu")
    else:
        pipe, names = stable_diffusion(), ("prompt_embeds", "negative_prompt_embeds")
        encoded = pipe.encode_prompt("a king", "cpu", 1, True)
    call = {**CALL, "prompt": None, **dict(zip(names, encoded, strict=True))}
    recorder = reproduced(pipe, call)
    named = Recorder(pipe, [GLASSES])
    recorded = run(named, CALL)
    assert torch.equal(recorded, run(recorder, call))
    assert np.array_equal(named.vectors[0].dense(), recorder.vectors[0].dense())
    applied = run(Applier(pipe, recorder.vectors), CALL)
    assert (applied - recorded).abs().max() < 1e-5 * recorded.abs().max()


@torch.no_grad()
def test_embeddings_beside_a_negative_prompt() -> None:
    pipe = stable_diffusion()
    embeds = pipe.encode_prompt("a king", "cpu", 1, False)[0]
    for negative in ("blurred", ["blurred"]):
        named = Recorder(pipe, [GLASSES])
        run(named, {**CALL, "prompt": "a king", "negative_prompt": "blurred"})
        recorder = reproduced(pipe, {**CALL, "prompt": None, "prompt_embeds": embeds, "negative_prompt": negative})
        assert np.array_equal(named.vectors[0].dense(), recorder.vectors[0].dense())


def test_negative_prompts() -> None:
    pipe = stable_diffusion()
    plain = Recorder(pipe, [GLASSES])
    run(plain, CALL)
    recorder = reproduced(pipe, {**CALL, "negative_prompt": "blurred"})
    assert not np.array_equal(recorder.vectors[0].dense(), plain.vectors[0].dense())
    listed = reproduced(pipe, {**CALL, "prompt": ["a king", "a queen"], "negative_prompt": ["blurred", "dull"]})
    assert [v.provenance.run.negative_prompt for v in listed.vectors] == ["blurred", "dull"]


@pytest.mark.parametrize("family", ["sd", "sdxl", "sd3", "flux", "flux_cfg", "qwen_image", "z_image"])
def test_a_batch_with_a_vector_for_each_sample(family: str) -> None:
    """Two prompts of one length, so that each sample's prediction is the one that it has alone."""
    pipe = FAMILIES[family].build()
    arguments = dict(FAMILIES[family].arguments)
    arguments |= {"negative_prompt": [""] * 2} if "negative_prompt" in arguments else {}
    call = {**arguments, "prompt": ["a king", "a wolf"]}
    recorder = reproduced(pipe, call, GLASSES, Concept("a smile", 3.0, 0.9, 0))
    recorded = run(recorder, call)
    assert [v.provenance.noise.sha256 for v in recorder.vectors[::2]] == [n.sha256 for n in recorder.noises[::2]]
    assert len({noise.sha256 for noise in recorder.noises}) == 2
    both = run(Applier(pipe, recorder.vectors, noise=recorder.noises[::2]), call, generator=None)
    assert (both - recorded).abs().max() < 1e-4 * recorded.abs().max()
    only_second = run(Applier(pipe, recorder.vectors[2:]), call)
    plain = run(pipe, call)
    assert torch.equal(only_second[0], plain[0])
    assert (only_second[1] - recorded[1]).abs().max() < 1e-4 * recorded.abs().max()


@pytest.mark.parametrize("family", ["sdxl", "flux", "z_image"])
def test_a_batch_with_one_vector_for_all(family: str) -> None:
    pipe = FAMILIES[family].build()
    call = {**FAMILIES[family].arguments, "prompt": "a king"}
    recorder = Recorder(pipe, [GLASSES])
    recorded = run(recorder, call)
    applier = Applier(pipe, recorder.vectors, noise=recorder.noises[0])
    together = run(applier, {**call, "prompt": ["a king", "a wolf"]}, generator=None)
    alone = torch.cat([run(applier, {**call, "prompt": prompt}, generator=None) for prompt in ("a king", "a wolf")])
    assert (together - alone).abs().max() < 1e-4 * alone.abs().max()
    assert (together[0] - recorded[0]).abs().max() < 1e-4 * recorded.abs().max()
    pictures = run(applier, {**call, "num_images_per_prompt": 2}, generator=None)
    assert (pictures - recorded).abs().max() < 1e-4 * recorded.abs().max()


def test_model_cpu_offload() -> None:
    """Diffusers' hooks, which come and go with each call, with the CPU as the device that they bring the models to."""
    pipe = stable_diffusion()
    before = Recorder(pipe, [GLASSES])
    recorded = run(before, CALL)
    pipe.enable_model_cpu_offload(device="cpu")
    recorder = reproduced(pipe, CALL)
    assert torch.equal(run(recorder, CALL), recorded)
    for model in (pipe.unet, pipe.vae, pipe.text_encoder):
        assert isinstance(model._hf_hook, CpuOffload)
        assert model.forward.__name__ == "forward"
    applier = Applier(pipe, before.vectors, noise=before.noises[0])
    assert torch.equal(run(applier, CALL, generator=None), run(Applier(pipe, before.vectors), CALL))
    assert applier.compatibility[0].answer == "exact"
    pipe.remove_all_hooks()
    assert "_hf_hook" not in vars(pipe.unet)


def test_group_offload() -> None:
    pipe = stable_diffusion()
    recorded = run(Recorder(pipe, [GLASSES]), CALL)
    cpu = torch.device("cpu")
    pipe.enable_group_offload(onload_device=cpu, offload_device=cpu, offload_type="leaf_level")
    assert torch.equal(run(reproduced(pipe, CALL), CALL), recorded)


def test_sequential_cpu_offload_is_refused() -> None:
    pipe = stable_diffusion()
    recorder = Recorder(pipe, [GLASSES])
    run(recorder, CALL)
    pipe.enable_sequential_cpu_offload(device="cpu")
    for runner in (recorder, Applier(pipe, recorder.vectors, noise=recorder.noises[0])):
        with pytest.raises(PipelineError, match="enable_model_cpu_offload"):
            run(runner, CALL)


def test_slicing_of_attention_and_autoencoder() -> None:
    pipe = stable_diffusion()
    plain, sliced = (Recorder(pipe, [GLASSES], guide=False) for _ in range(2))
    run(plain, CALL)
    pipe.enable_attention_slicing(1)
    pipe.vae.enable_slicing()
    pipe.vae.enable_tiling()
    reproduced(pipe, {**CALL, "output_type": "pt"})
    run(sliced, CALL)
    found, expected = (torch.from_numpy(recorder.vectors[0].dense()) for recorder in (sliced, plain))
    assert_same_entries(found, expected, rtol=1e-5, atol=1e-4)


def test_classifier_free_guidance_that_ends_on_the_way() -> None:
    """A callback of diffusers' takes the unconditional rows off: refused when recording, no matter when applying."""
    pipe, recorder = stable_diffusion(), Recorder(stable_diffusion(), [GLASSES])
    run(recorder, CALL)
    call = {**CALL, "callback_on_step_end": SDCFGCutoffCallback(cutoff_step_ratio=0.5)}
    with pytest.raises(PipelineError, match="classifier-free guidance at some of the steps"):
        run(Recorder(pipe, [GLASSES]), call)
    plain = run(pipe, call)
    assert (run(Applier(pipe, recorder.vectors), call) - plain).abs().max() > 1e-2 * plain.abs().max()
    assert torch.equal(run(pipe, call), plain)


def test_more_rows_than_two_a_picture_are_refused() -> None:
    """Perturbed-attention guidance has a third row, with the prompt too."""
    pipe = StableDiffusionPAGPipeline(
        **stable_diffusion().components, requires_safety_checker=False, pag_applied_layers=["mid"]
    )
    pipe.set_progress_bar_config(disable=True)
    with pytest.raises(PipelineError, match="one conditional row a picture"):
        run(Recorder(pipe, [GLASSES]), {**CALL, "pag_scale": 3.0})
    recorder = Recorder(stable_diffusion(), [GLASSES])
    run(recorder, CALL)
    plain = run(pipe, {**CALL, "pag_scale": 3.0})
    applied = run(Applier(pipe, recorder.vectors, noise=recorder.noises[0]), {**CALL, "pag_scale": 3.0}, generator=None)
    assert (applied - plain).abs().max() > 1e-2 * plain.abs().max()


def test_a_schedule_split_between_two_pipelines() -> None:
    base, call = stable_diffusion_xl(), {**CALL, "denoising_end": 0.3}
    first = reproduced(base, call)
    refiner = StableDiffusionXLImg2ImgPipeline(**base.components)
    refiner.set_progress_bar_config(disable=True)
    call = {**CALL, "denoising_start": 0.3, "image": run(base, call)}
    second = Recorder(refiner, [GLASSES])
    recorded, plain = run(second, call), run(refiner, call)
    assert (recorded - plain).abs().max() > 0.1
    assert (run(Applier(refiner, second.vectors), call) - recorded).abs().max() < 1e-5
    assert torch.equal(run(refiner, call), plain)
    assert first.vectors[0].timesteps.min() > second.vectors[0].timesteps.max()
    assert len(first.vectors[0].timesteps) + len(second.vectors[0].timesteps) == CALL["num_inference_steps"]


class CountedGraphs:
    """A backend of torch.compile that runs graphs as they are, and counts how many it was given."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, graph: Any, _inputs: Any) -> Any:
        self.count += 1
        return graph.forward

    def taken(self) -> int:
        """How many there were since the last question."""
        count, self.count = self.count, 0
        return count


@pytest.mark.parametrize("in_place", [False, True])
def test_compilation(in_place: bool) -> None:
    """One graph for each number of rows; none for a step, a repetition, or an applied vector."""
    torch._dynamo.reset()
    pipe, graphs = stable_diffusion(), CountedGraphs()
    eager = Recorder(pipe, [GLASSES])
    recorded = run(eager, CALL)
    plain = run(pipe, CALL)
    if in_place:
        pipe.unet.compile(backend=graphs, fullgraph=True, dynamic=False)
    else:
        pipe.unet = torch.compile(pipe.unet, backend=graphs, fullgraph=True, dynamic=False)
    compiled = pipe.unet._compiled_call_impl

    applier = Applier(pipe, eager.vectors)
    assert (run(applier, CALL) - recorded).abs().max() < rounding(recorded, plain)
    assert graphs.taken() == 1  # two rows
    assert applier.compatibility[0].answer == "exact"
    assert (run(pipe, CALL) - plain).abs().max() < rounding(recorded, plain)
    assert (
        run(Applier(pipe, eager.vectors, noise=eager.noises[0]), CALL, generator=None) - recorded
    ).abs().max() < rounding(recorded, plain)
    assert graphs.taken() == 0
    for expected in (1, 0):  # three rows, then again
        recorder = Recorder(pipe, [GLASSES])
        assert (run(recorder, CALL) - recorded).abs().max() < rounding(recorded, plain)
        assert graphs.taken() == expected
    assert recorder.vectors[0].recipe == eager.vectors[0].recipe
    assert (run(pipe, CALL) - plain).abs().max() < rounding(recorded, plain)
    assert graphs.taken() == 0
    assert pipe.unet._compiled_call_impl is compiled


CACHES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "first block": ("wan", lambda pipe: FirstBlockCacheConfig(threshold=0.7)),
    "pyramid attention": (
        "flux",
        lambda pipe: PyramidAttentionBroadcastConfig(
            spatial_attention_block_skip_range=2,
            spatial_attention_timestep_skip_range=(-1, 1001),
            current_timestep_callback=lambda: pipe._current_timestep,
        ),
    ),
    "faster": (
        "flux",
        lambda pipe: FasterCacheConfig(
            spatial_attention_block_skip_range=2,
            spatial_attention_timestep_skip_range=(-1, 901),
            unconditional_batch_timestep_skip_range=(-1, 901),
            current_timestep_callback=lambda: int(pipe._current_timestep),
            attention_weight_callback=lambda _: 0.5,
            is_guidance_distilled=True,
            tensor_format="BCHW",
        ),
    ),
}


@pytest.mark.parametrize("cache", CACHES)
def test_caches_of_the_denoiser(cache: str) -> None:
    """Recording refuses, since a cache would answer for one text with another's; applying works."""
    family, configure = CACHES[cache]
    pipe, call = FAMILIES[family].build(), {**FAMILIES[family].arguments, "num_inference_steps": 6}
    recorder = Recorder(pipe, [GLASSES])
    recorded, plain = run(recorder, call), run(pipe, call)
    vectors, noises = recorder.vectors, recorder.noises
    edit = (recorded - plain).flatten()
    pipe.transformer.enable_cache(configure(pipe))
    cached = run(pipe, call)
    assert not torch.equal(cached, plain)
    drawn = generator()
    state = drawn.get_state()
    with pytest.raises(PipelineError, match="a denoiser with a cache: call its disable_cache"):
        run(recorder, call, generator=drawn)
    assert torch.equal(drawn.get_state(), state)
    applied = run(Applier(pipe, vectors), call)
    assert torch.equal(applied, run(Applier(pipe, vectors, noise=noises[0]), call, generator=None))
    assert (applied - cached).norm() > 0.5 * edit.norm()
    assert torch.cosine_similarity((applied - cached).flatten(), edit, dim=0) > 0.9
    assert torch.equal(run(Applier(pipe, vectors, edit_guidance_scale=0), call), cached)
    assert torch.equal(run(pipe, call), cached)
    pipe.transformer.disable_cache()
    assert torch.equal(run(pipe, call), plain)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("family", ["sd", "sdxl", "sd3", "flux"])
def test_half_precision(family: str, dtype: torch.dtype) -> None:
    """Replayed to the bit on one thread; elsewhere kernels round according to the number of rows."""
    pipe, call = FAMILIES[family].build().to(dtype), FAMILIES[family].arguments
    recorder = Recorder(pipe, [GLASSES])
    recorded = run(recorder, call).float()
    applied = run(Applier(pipe, recorder.vectors, noise=recorder.noises[0]), call, generator=None).float()
    edit = (recorded - run(pipe, call).float()).norm()
    assert recorder.vectors[0].dtype == str(dtype).removeprefix("torch.")
    assert (applied - recorded).norm() < (0.02 if dtype == torch.float16 else 0.15) * edit
