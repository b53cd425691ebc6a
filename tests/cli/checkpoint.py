"""A tiny Stable Diffusion model as a checkpoint in one file, under the names of the original code."""

import re
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

_Rules = tuple[tuple[str, str], ...]
_RESNET: _Rules = (
    (r"norm1\.", "in_layers.0."),
    (r"conv1\.", "in_layers.2."),
    (r"time_emb_proj\.", "emb_layers.1."),
    (r"norm2\.", "out_layers.0."),
    (r"conv2\.", "out_layers.3."),
    (r"conv_shortcut\.", "skip_connection."),
)
_UNET: _Rules = (
    (r"^conv_in\.", "input_blocks.0.0."),
    (r"^time_embedding\.linear_1\.", "time_embed.0."),
    (r"^time_embedding\.linear_2\.", "time_embed.2."),
    (r"^down_blocks\.0\.resnets\.0\.", "input_blocks.1.0."),
    (r"^down_blocks\.0\.downsamplers\.0\.conv\.", "input_blocks.2.0.op."),
    (r"^down_blocks\.1\.resnets\.0\.", "input_blocks.3.0."),
    (r"^down_blocks\.1\.attentions\.0\.", "input_blocks.3.1."),
    (r"^mid_block\.resnets\.0\.", "middle_block.0."),
    (r"^mid_block\.attentions\.0\.", "middle_block.1."),
    (r"^mid_block\.resnets\.1\.", "middle_block.2."),
    (r"^up_blocks\.0\.resnets\.(\d)\.", r"output_blocks.\1.0."),
    (r"^up_blocks\.0\.attentions\.(\d)\.", r"output_blocks.\1.1."),
    (r"^up_blocks\.0\.upsamplers\.0\.", "output_blocks.1.2."),
    (r"^up_blocks\.1\.resnets\.0\.", "output_blocks.2.0."),
    (r"^up_blocks\.1\.resnets\.1\.", "output_blocks.3.0."),
    (r"^conv_norm_out\.", "out.0."),
    (r"^conv_out\.", "out.2."),
)
_VAE: _Rules = (
    (r"down_blocks\.(\d)\.resnets\.", r"down.\1.block."),
    (r"down_blocks\.(\d)\.downsamplers\.0\.", r"down.\1.downsample."),
    (r"up_blocks\.0\.resnets\.", "up.1.block."),  # counted from the end
    (r"up_blocks\.1\.resnets\.", "up.0.block."),
    (r"up_blocks\.0\.upsamplers\.0\.", "up.1.upsample."),
    (r"mid_block\.resnets\.0\.", "mid.block_1."),
    (r"mid_block\.resnets\.1\.", "mid.block_2."),
    (r"mid_block\.attentions\.0\.", "mid.attn_1."),
    (r"attn_1\.group_norm\.", "attn_1.norm."),
    (r"attn_1\.to_(q|k|v)\.", r"attn_1.\1."),
    (r"attn_1\.to_out\.0\.", "attn_1.proj_out."),
    (r"conv_norm_out\.", "norm_out."),
    (r"conv_shortcut\.", "nin_shortcut."),
)


def save_checkpoint(pipe: Any, file: Path) -> None:
    """Write the weights of a tiny Stable Diffusion pipeline (`tests/vectors/tiny.py`) as one file."""
    weights = {f"model.diffusion_model.{_unet_name(name)}": w for name, w in pipe.unet.state_dict().items()}
    for name, weight in pipe.vae.state_dict().items():
        flat = "attentions" in name and weight.ndim == 2  # convolutions of one pixel in the original
        weights[f"first_stage_model.{_renamed(name, _VAE)}"] = weight[..., None, None] if flat else weight
    for name, weight in pipe.text_encoder.state_dict().items():
        weights[f"cond_stage_model.transformer.text_model.{name}"] = weight
    save_file({name: weight.contiguous() for name, weight in weights.items()}, file)


def _unet_name(name: str) -> str:
    return _renamed(_renamed(name, _RESNET) if "resnets" in name else name, _UNET)


def _renamed(name: str, rules: _Rules) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name
