"""Recorded runs equal those of diffusers' SemanticStableDiffusionPipeline, on tiny real components.

Diffusers has none for SDXL: there they equal a loop written by hand.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import SemanticStableDiffusionPipeline
from torch import Tensor

from sega_vectors import Applier, Concept, GuidanceVector, Recorder

from .tiny import SCHEDULERS, stable_diffusion, stable_diffusion_xl

TOLERANCE = 1e-4  # on latents whose scale is about 30
# An entry of ψ within rounding of its channel's quantile can fall on either side of it in the two implementations,
# which differ in the order of their sums. Runs are compared whose entries are further apart there, relative to them:
# ψ is a difference of predictions, and rounded by several times the 1e-7 of float32.
GAP = 1e-5

GLASSES = Concept("glasses", edit_guidance_scale=4, edit_threshold=0.9, edit_warmup_steps=2)
SMILE = Concept("a smile", edit_guidance_scale=6, edit_threshold=0.95, edit_warmup_steps=2)

CASES: dict[str, dict[str, Any]] = {
    "one concept": {"concepts": [GLASSES]},
    "several, equal warm-up": {"concepts": [GLASSES, SMILE, Concept("hat", 3, 0.8, 2)]},
    "several, unequal warm-up": {"concepts": [GLASSES, Concept("a smile", 6, 0.95, 5), Concept("hat", 3, 0.8, 7)]},
    "no warm-up": {"concepts": [Concept("glasses", 4, 0.9, 0)]},
    "cool-down": {"concepts": [Concept("glasses", 4, 0.9, 2, edit_cooldown_steps=6), SMILE]},
    "cool-down before another's warm-up ends": {
        "concepts": [Concept("glasses", 4, 0.9, 1, edit_cooldown_steps=8), Concept("hat", 5, 0.9, 5)]
    },
    "strong momentum": {"concepts": [GLASSES, SMILE], "edit_momentum_scale": 0.5, "edit_mom_beta": 0.7},
    "no momentum": {"concepts": [GLASSES], "edit_momentum_scale": 0.0},
    "reversed": {"concepts": [Concept("glasses", 4, 0.9, 2, reverse_editing_direction=True), SMILE]},
    "weights": {
        "concepts": [
            Concept("glasses", 4, 0.9, 2, edit_weight=0.5),
            Concept("a smile", 6, 0.95, 4, edit_weight=1.5),
            Concept("hat", 3, 0.8, 6, edit_weight=0.25),
        ]
    },
    "negative prompt": {"concepts": [GLASSES], "call": {"negative_prompt": "blurred"}},
    "two prompts": {"concepts": [GLASSES, SMILE], "call": {"prompt": ["a king", "a drawing of a queen"]}},
    "two images a prompt": {"concepts": [GLASSES, SMILE], "call": {"num_images_per_prompt": 2}},
    "two prompts, two images each": {
        "concepts": [GLASSES, SMILE],
        "call": {"prompt": ["a king", "a queen"], "num_images_per_prompt": 2},
    },
}


def clear_seed(pipe: Any, call: dict[str, Any], concepts: list[Concept], options: dict[str, Any]) -> int:
    """The first seed whose run has a gap at all the quantiles."""
    for seed in range(5, 55):
        recorder = Recorder(pipe, [replace(concept, keep_threshold=0.0) for concept in concepts], **options)
        recorder(**call, generator=torch.Generator().manual_seed(seed))
        if min(map(gap, recorder.vectors)) > GAP:
            return seed
    raise AssertionError("no seed's run can be compared")


def gap(vector: GuidanceVector) -> float:
    """The least relative distance between the smallest entry above a channel's quantile and the largest below."""
    magnitude = np.sort(np.abs(vector.dense()).reshape(*vector.shape[:2], -1), axis=2)
    above = math.ceil(vector.concept.edit_threshold * (magnitude.shape[2] - 1) - 1e-6)
    return float((1 - magnitude[:, :, above - 1] / magnitude[:, :, above]).min())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_latents_equal_those_of_diffusers(scheduler: str, case: str) -> None:
    options = dict(CASES[case])
    concepts: list[Concept] = options.pop("concepts")
    call = {
        "prompt": "a king",
        "num_inference_steps": 12,
        "guidance_scale": 7.5,
        "output_type": "latent",
        **options.pop("call", {}),
    }
    pipe = stable_diffusion(scheduler)
    seed = clear_seed(pipe, call, concepts, options)
    reference = stable_diffusion(scheduler, SemanticStableDiffusionPipeline)
    expected = reference(
        **call,
        generator=torch.Generator().manual_seed(seed),
        editing_prompt=[c.text for c in concepts],
        edit_guidance_scale=[c.edit_guidance_scale for c in concepts],
        edit_threshold=[c.edit_threshold for c in concepts],
        edit_warmup_steps=[c.edit_warmup_steps for c in concepts],
        edit_cooldown_steps=[100 if c.edit_cooldown_steps is None else c.edit_cooldown_steps for c in concepts],
        reverse_editing_direction=[c.reverse_editing_direction for c in concepts],
        edit_weights=[c.edit_weight for c in concepts],
        **options,
    ).images

    plain = pipe(**call, generator=torch.Generator().manual_seed(seed)).images
    recorder = Recorder(pipe, concepts, **options)
    recorded = recorder(**call, generator=torch.Generator().manual_seed(seed)).images

    assert (expected - plain).abs().amax(dim=(1, 2, 3)).min() > 1000 * TOLERANCE
    assert (expected - recorded).abs().max() < TOLERANCE

    applied = Applier(pipe, recorder.vectors)(**call, generator=torch.Generator().manual_seed(seed)).images
    assert (expected - applied).abs().max() < TOLERANCE


@torch.no_grad()
def sega_by_hand(
    pipe: Any, call: dict[str, Any], seed: int, concepts: list[Concept], scale: float, beta: float
) -> Tensor:
    """SEGA's algorithm over SDXL's UNet, with a call for each text and step."""
    text, negative, pooled, negative_pooled = pipe.encode_prompt(
        call["prompt"], device="cpu", negative_prompt=call.get("negative_prompt")
    )
    edits = [pipe.encode_prompt(concept.text, device="cpu", do_classifier_free_guidance=False) for concept in concepts]
    side = pipe.default_sample_size * pipe.vae_scale_factor
    time_ids = torch.tensor([[side, side, 0, 0, side, side]], dtype=torch.float32)
    pipe.scheduler.set_timesteps(call["num_inference_steps"])
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(seed)) * pipe.scheduler.init_noise_sigma
    ν = torch.zeros_like(latents)
    for i, t in enumerate(pipe.scheduler.timesteps):
        z = pipe.scheduler.scale_model_input(latents, t)

        def predict(embeds: Tensor, pooled_embeds: Tensor, z: Tensor = z, t: Tensor = t) -> Tensor:
            added = {"text_embeds": pooled_embeds, "time_ids": time_ids}
            prediction: Tensor = pipe.unet(z, t, encoder_hidden_states=embeds, added_cond_kwargs=added).sample
            return prediction

        uncond = predict(negative, negative_pooled)
        guided = uncond + call["guidance_scale"] * (predict(text, pooled) - uncond)
        kept, weights = [], []
        for concept, (embeds, _, pooled_embeds, _) in zip(concepts, edits, strict=True):
            ended = concept.edit_cooldown_steps is not None and i >= concept.edit_cooldown_steps
            ψ = (-1 if concept.reverse_editing_direction else 1) * (predict(embeds, pooled_embeds) - uncond)
            edge = torch.quantile(ψ.abs().flatten(2), concept.edit_threshold, dim=2)[..., None, None]
            kept.append(torch.where(ψ.abs() >= edge, concept.edit_guidance_scale * ψ, 0) * (not ended))
            weights.append(0.0 if ended else concept.edit_weight)
        warm = [c for c, concept in enumerate(concepts) if i >= concept.warmup]
        γ = sum((g * m for g, m in zip(weights, kept, strict=True)), torch.zeros_like(ν)) + scale * ν
        ν = beta * ν + (1 - beta) * γ
        if len(warm) == len(concepts):
            guided = guided + γ
        elif warm and sum(weights[c] for c in warm):
            guided = guided + sum(weights[c] * kept[c] for c in warm) / sum(weights[c] for c in warm)
        latents = pipe.scheduler.step(guided, t, latents).prev_sample
    result: Tensor = latents
    return result


# One prompt and picture each; the maths knows nothing of the scheduler.
XL_CASES = [("euler", name) for name in CASES if "prompts" not in name and "images" not in name]
XL_CASES += [(scheduler, "several, unequal warm-up") for scheduler in ("ddim", "dpmsolver++")]


@pytest.mark.parametrize(("scheduler", "case"), XL_CASES)
def test_latents_of_sdxl_equal_those_made_by_hand(scheduler: str, case: str) -> None:
    options = dict(CASES[case])
    concepts: list[Concept] = options.pop("concepts")
    call = {"prompt": "a king", "num_inference_steps": 12, "guidance_scale": 5.0, **options.pop("call", {})}
    momentum = options.get("edit_momentum_scale", 0.1), options.get("edit_mom_beta", 0.4)
    pipe = stable_diffusion_xl(scheduler)
    call |= {"output_type": "latent"}
    seed = clear_seed(pipe, call, concepts, options)
    expected = sega_by_hand(pipe, call, seed, concepts, *momentum)
    plain = pipe(**call, generator=torch.Generator().manual_seed(seed)).images
    recorder = Recorder(pipe, concepts, **options)
    recorded = recorder(**call, generator=torch.Generator().manual_seed(seed)).images
    assert (expected - plain).abs().max() > 1000 * TOLERANCE
    assert (expected - recorded).abs().max() < TOLERANCE
    applied = Applier(pipe, recorder.vectors, noise=recorder.noises[0])(**call).images
    assert (expected - applied).abs().max() < TOLERANCE
