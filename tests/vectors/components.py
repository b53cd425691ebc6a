"""Tiny components that families share: tokenizers made here, text encoders, autoencoders, random weights that matter.

A tokenizer has one token a character, so that every text has its own tokens, and as many as it has characters.
"""

from functools import cache
from typing import Any

import torch
from diffusers import AutoencoderKL
from tokenizers.pre_tokenizers import ByteLevel
from torch import nn
from transformers import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Gemma2Config,
    Gemma2Model,
    GemmaTokenizer,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from . import tiny

HIDDEN = 32  # of every text encoder but CLIP's
_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def drawn(module: nn.Module) -> Any:
    """Draw every parameter anew: matrices that keep the variance, scales near 1, small shifts.

    What real initialisations set to zero (the gates of adaptive norms, output projections) or leave unset would make
    blocks identities, and a model deaf to its text.
    """
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=parameter[0].numel() ** -0.5)
            elif name.endswith("weight"):
                parameter.normal_(mean=1, std=0.1)
            else:
                parameter.normal_(std=0.1)
    return module.eval()


def clip(**changes: Any) -> CLIPTextModel:
    return CLIPTextModel(tiny._text_config(**changes)).eval()


def clip_with_projection(**changes: Any) -> CLIPTextModelWithProjection:
    return CLIPTextModelWithProjection(tiny._text_config(**changes)).eval()


@cache
def t5_tokenizer() -> T5Tokenizer:
    pieces = ["<pad>", "</s>", "<unk>", "▁", *(chr(c) for c in range(33, 127))]
    return T5Tokenizer(vocab=[(piece, 0.0) for piece in pieces], extra_ids=0, model_max_length=512)


def t5(kind: type = T5EncoderModel, config: type = T5Config, **changes: Any) -> Any:
    return kind(
        config(
            **{
                "vocab_size": len(t5_tokenizer()),
                "d_model": HIDDEN,
                "d_kv": 8,
                "d_ff": 37,
                "num_layers": 1,
                "num_heads": 4,
                "feed_forward_proj": "gated-gelu",
                **changes,
            }
        )
    ).eval()


@cache
def qwen_tokenizer() -> Qwen2Tokenizer:
    vocabulary = [*sorted(ByteLevel.alphabet()), "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    return Qwen2Tokenizer(
        vocab={token: i for i, token in enumerate(vocabulary)},
        merges=[],
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
        chat_template=_CHAT,
        model_max_length=1024,
    )


def qwen3(kind: type = Qwen3Model, num_hidden_layers: int = 2) -> Any:
    return kind(
        Qwen3Config(
            vocab_size=len(qwen_tokenizer()),
            hidden_size=HIDDEN,
            intermediate_size=37,
            num_hidden_layers=num_hidden_layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            max_position_embeddings=1024,
        )
    ).eval()


@cache
def gemma_tokenizer() -> GemmaTokenizer:
    vocabulary = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", "\n", *(chr(c) for c in range(33, 127))]
    return GemmaTokenizer(
        vocab={token: i for i, token in enumerate(vocabulary)}, merges=[], model_max_length=512, padding_side="right"
    )


def autoencoder(latent_channels: int = 4) -> AutoencoderKL:
    """An autoencoder of images that halves the sides."""
    return AutoencoderKL(
        block_out_channels=[8, 8],
        norm_num_groups=4,
        down_block_types=["DownEncoderBlock2D", "DownEncoderBlock2D"],
        up_block_types=["UpDecoderBlock2D", "UpDecoderBlock2D"],
        latent_channels=latent_channels,
    ).eval()


def gemma2() -> Gemma2Model:
    return Gemma2Model(
        Gemma2Config(
            vocab_size=len(gemma_tokenizer()),
            hidden_size=HIDDEN,
            intermediate_size=37,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            query_pre_attn_scalar=8,
            max_position_embeddings=512,
        )
    ).eval()


def qwen2_5_vl() -> Qwen2_5_VLForConditionalGeneration:
    """Qwen-Image's text encoder; its vision tower is there and is not used."""
    text = {
        "vocab_size": len(qwen_tokenizer()),
        "hidden_size": HIDDEN,
        "intermediate_size": 37,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e6},
        "bos_token_id": None,
        "eos_token_id": None,
    }
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": HIDDEN}
    return Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=vision)).eval()
