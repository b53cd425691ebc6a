"""Tiny Stable Diffusion pipelines of real components with random weights, built from configurations."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

_SCHEDULE: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}

SCHEDULERS: dict[str, Any] = {
    "ddim": lambda: DDIMScheduler(**_SCHEDULE, clip_sample=False, set_alpha_to_one=False, steps_offset=1),
    "pndm": lambda: PNDMScheduler(**_SCHEDULE, skip_prk_steps=True, steps_offset=1),
    "euler": lambda: EulerDiscreteScheduler(**_SCHEDULE, steps_offset=1),
    "dpmsolver++": lambda: DPMSolverMultistepScheduler(**_SCHEDULE, steps_offset=1),
}


@cache
def tokenizer() -> CLIPTokenizer:
    """A CLIP tokenizer of single letters, so that every text has its own tokens."""
    letters = [chr(c) for c in range(33, 127)]
    words = [*letters, *[f"{letter}</w>" for letter in letters], "<|startoftext|>", "<|endoftext|>"]
    made = CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[], model_max_length=32)
    folder = Path(mkdtemp())
    made.save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)


def clip_config(**changes: Any) -> CLIPTextConfig:
    return CLIPTextConfig(
        **{
            "vocab_size": len(tokenizer()),
            "hidden_size": 32,
            "intermediate_size": 37,
            "num_attention_heads": 4,
            "num_hidden_layers": 2,
            "max_position_embeddings": 32,
            "bos_token_id": tokenizer().bos_token_id,
            "eos_token_id": tokenizer().eos_token_id,
            "pad_token_id": tokenizer().pad_token_id,
            **changes,
        }
    )


def autoencoder(image_channels: int = 3) -> AutoencoderKL:
    """An autoencoder of images that halves the sides, with 4 channels in the middle."""
    return AutoencoderKL(
        in_channels=image_channels,
        out_channels=image_channels,
        block_out_channels=[8, 8],
        norm_num_groups=4,
        down_block_types=["DownEncoderBlock2D", "DownEncoderBlock2D"],
        up_block_types=["UpDecoderBlock2D", "UpDecoderBlock2D"],
        latent_channels=4,
    ).eval()


def _listening(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """Random weights hardly listen to the text: strengthen the cross-attention, so that concepts have directions."""
    with torch.no_grad():
        for name, parameter in unet.named_parameters():
            if "attn2.to_v" in name or "attn2.to_out.0.weight" in name:
                parameter *= 5
    return unet.eval()


def stable_diffusion(scheduler: str = "ddim", pipeline: Any = StableDiffusionPipeline, seed: int = 0) -> Any:
    """A Stable Diffusion pipeline (or another of the same components) with latents of 4x16x16."""
    torch.manual_seed(seed)
    pipe = pipeline(
        vae=autoencoder(),
        text_encoder=CLIPTextModel(clip_config()).eval(),
        tokenizer=tokenizer(),
        unet=_listening(
            UNet2DConditionModel(
                block_out_channels=(8, 16),
                layers_per_block=1,
                norm_num_groups=4,
                sample_size=16,
                in_channels=4,
                out_channels=4,
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                cross_attention_dim=32,
                attention_head_dim=4,
            )
        ),
        scheduler=SCHEDULERS[scheduler](),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def stable_diffusion_xl(scheduler: str = "euler", seed: int = 0) -> StableDiffusionXLPipeline:
    """An SDXL pipeline, both text encoders and micro-conditioning included, with latents of 4x16x16."""
    torch.manual_seed(seed)
    pipe = StableDiffusionXLPipeline(
        vae=autoencoder(),
        text_encoder=CLIPTextModel(clip_config()).eval(),
        text_encoder_2=CLIPTextModelWithProjection(clip_config(projection_dim=32)).eval(),
        tokenizer=tokenizer(),
        tokenizer_2=tokenizer(),
        unet=_listening(
            UNet2DConditionModel(
                block_out_channels=(8, 16),
                layers_per_block=1,
                norm_num_groups=4,
                sample_size=16,
                in_channels=4,
                out_channels=4,
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                attention_head_dim=(2, 4),
                use_linear_projection=True,
                addition_embed_type="text_time",
                addition_time_embed_dim=8,
                transformer_layers_per_block=(1, 2),
                projection_class_embeddings_input_dim=6 * 8 + 32,
                cross_attention_dim=64,
            )
        ),
        scheduler=SCHEDULERS[scheduler](),
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe
