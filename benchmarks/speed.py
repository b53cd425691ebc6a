"""Recording and applying against a plain run, and against diffusers' own SEGA pipeline."""

from collections.abc import Callable
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    SemanticStableDiffusionPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel

from benchmarks.timing import Row, ratio, side_by_side
from sega_vectors import Applier, Concept, Recorder, load_pipeline
from sega_vectors.pipelines import best_device

TEXTS = ["glasses", "hat", "beard", "smile"]


def contenders(pipe: Any, steps: int, applied: list[int]) -> dict[str, Callable[[], object]]:
    """Runs of one pipeline: plain, applying, recording, and diffusers' SEGA, all from one noise, without decoding."""
    components = {name: part for name, part in pipe.components.items() if name != "image_encoder"}
    sega = SemanticStableDiffusionPipeline(**components, requires_safety_checker=False)
    for p in (pipe, sega):
        p.set_progress_bar_config(disable=True)
    call: dict[str, Any] = {"prompt": "a portrait of a man", "num_inference_steps": steps, "output_type": "latent"}
    concepts = [Concept(text, edit_warmup_steps=1) for text in TEXTS]
    recorder = Recorder(pipe, concepts)
    recorder(**call)
    noise = recorder.noises[0]
    latents = torch.from_numpy(noise.array.copy())[None].to(pipe.unet.device, pipe.unet.dtype)

    def plain() -> object:
        return pipe(**call, latents=latents)

    def apply(count: int) -> Callable[[], object]:
        vectors = (recorder.vectors * count)[:count]
        return lambda: Applier(pipe, vectors, noise=noise)(**call)

    def record(count: int) -> Callable[[], object]:
        return lambda: Recorder(pipe, concepts[:count])(**call, latents=latents)

    def reference(count: int) -> Callable[[], object]:
        return lambda: sega(
            **call,
            latents=latents,
            editing_prompt=TEXTS[:count],
            edit_guidance_scale=5.0,
            edit_threshold=0.95,
            edit_warmup_steps=1,
        )

    return {
        "plain": plain,
        **{f"apply {count}": apply(count) for count in applied},
        **{f"record {count}": record(count) for count in (1, 4)},
        **{f"SEGA {count}": reference(count) for count in (1, 4)},
    }


def embedded(rounds: int) -> list[Row]:
    """The embedded model: small, so that a run is bound by the cost of a call rather than of a row."""
    pipe = load_pipeline("embedded")
    seconds = side_by_side(contenders(pipe, steps=20, applied=[1, 4, 16]), rounds)
    return [
        *(
            Row(f"embedded model: apply {n} / plain run", ratio(seconds, f"apply {n}", "plain"), limit)
            for n, limit in ((1, 1.05), (4, 1.06), (16, 1.10))
        ),
        *(
            Row(
                f"embedded model: record {n} / diffusers' SEGA with the same concepts",
                ratio(seconds, f"record {n}", f"SEGA {n}"),
                0.98,
            )
            for n in (1, 4)
        ),
        Row(
            "embedded model: apply 4 / diffusers' SEGA with the 4 concepts",
            ratio(seconds, "apply 4", "SEGA 4"),
            0.65,
        ),
    ]


def stable_diffusion_1_5(rounds: int, steps: int = 1) -> list[Row]:
    """Stable Diffusion 1.5's UNet and text encoder at their real size, with random weights."""
    seconds = side_by_side(contenders(_random_stable_diffusion(), steps, applied=[1, 4]), rounds)
    rows = [Row(f"SD 1.5's UNet: apply {n} / plain run", ratio(seconds, f"apply {n}", "plain"), 1.02) for n in (1, 4)]
    for n in (1, 4):
        rows += [
            Row(
                f"SD 1.5's UNet: record {n} / ({2 + n}/2 x plain run)",
                ratio(seconds, f"record {n}", "plain") * 2 / (2 + n),
                1.03,
            ),
            Row(f"SD 1.5's UNet: record {n} / diffusers' SEGA", ratio(seconds, f"record {n}", f"SEGA {n}"), 1.01),
        ]
    what = "SD 1.5's UNet: apply 4 / diffusers' SEGA with the 4 concepts"
    return [*rows, Row(what, ratio(seconds, "apply 4", "SEGA 4"), 0.36)]


def _random_stable_diffusion() -> Any:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
    text = CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, vocab_size=49408
    )
    pipe = StableDiffusionPipeline(
        vae=AutoencoderKL(block_out_channels=[32], norm_num_groups=8),
        text_encoder=CLIPTextModel(text).eval(),
        tokenizer=_padded_tokenizer(),
        unet=unet.eval(),
        scheduler=DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.vae_scale_factor = 8
    return pipe.to(best_device(), torch.float16 if torch.cuda.is_available() else torch.float32)


def _padded_tokenizer() -> Any:
    """The embedded model's tokenizer, padding to Stable Diffusion's 77 tokens."""
    tokenizer = load_pipeline("embedded", device="cpu").tokenizer
    tokenizer.model_max_length = 77
    return tokenizer
