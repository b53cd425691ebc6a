"""Tiny components that families share: tokenizers made here, text encoders, autoencoders, random weights that matter.

A tokenizer has one token a character, so that every text has its own tokens, and as many as it has characters.
"""

import warnings
from copy import deepcopy
from functools import cache
from typing import Any

import torch
from diffusers import AutoencoderKLWan, AutoencoderOobleck
from tokenizers.pre_tokenizers import ByteLevel
from torch import nn
from transformers import (
    ClapConfig,
    ClapModel,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Gemma2Config,
    Gemma2Model,
    GemmaTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3Model,
    RobertaTokenizer,
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
    return CLIPTextModel(tiny.clip_config(**changes)).eval()


def clip_with_projection(**changes: Any) -> CLIPTextModelWithProjection:
    return CLIPTextModelWithProjection(tiny.clip_config(**changes)).eval()


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


def video_autoencoder() -> AutoencoderKLWan:
    """An autoencoder of videos: a quarter of the sides, half of the frames but the first, 4 channels in the middle."""
    return AutoencoderKLWan(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[True, False],
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
        scale_factor_temporal=2,
        scale_factor_spatial=4,
    ).eval()


def sound_autoencoder() -> AutoencoderOobleck:
    """An autoencoder of stereo sound with one latent for 4 samples, with 4 channels in the middle."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*weight_norm.* is deprecated", category=FutureWarning)
        return AutoencoderOobleck(
            encoder_hidden_size=4,
            downsampling_ratios=[2, 2],
            channel_multiples=[1, 1],
            decoder_channels=4,
            decoder_input_channels=4,
            audio_channels=2,
            sampling_rate=16,
        ).eval()


def mistral3() -> Mistral3ForConditionalGeneration:
    """Flux 2's text encoder; its vision tower is there and is not used."""
    text = {
        "model_type": "mistral",
        "vocab_size": len(qwen_tokenizer()),
        "hidden_size": HIDDEN,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "sliding_window": None,
    }
    vision = {
        "model_type": "pixtral",
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "head_dim": 8,
        "image_size": 16,
        "patch_size": 8,
    }
    config = Mistral3Config(text_config=text, vision_config=vision, image_token_index=0)
    return Mistral3ForConditionalGeneration(config).eval()


@cache
def mistral_tokenizer() -> Qwen2Tokenizer:
    """A tokenizer in the place of Flux 2's processor (which needs torchvision), for chats of lists of texts."""
    template = (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}"
        "{% for part in message['content'] %}{{ part['text'] }}{% endfor %}<|im_end|>{% endfor %}"
    )
    made = deepcopy(qwen_tokenizer())
    made.chat_template = template
    return made


@cache
def roberta_tokenizer() -> RobertaTokenizer:
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *sorted(ByteLevel.alphabet())]
    return RobertaTokenizer(vocab={token: i for i, token in enumerate(vocabulary)}, merges=[], model_max_length=77)


def clap() -> ClapModel:
    """AudioLDM 2's encoder of a whole text; its tower for sounds is there and is not used."""
    text = {
        "vocab_size": len(roberta_tokenizer()),
        "hidden_size": 16,
        "intermediate_size": 37,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 80,
        "projection_dim": 16,
    }
    audio = {
        "spec_size": 64,
        "window_size": 4,
        "hidden_size": 16,
        "patch_embeds_hidden_size": 8,
        "depths": [1, 1],
        "num_attention_heads": [2, 2],
        "num_hidden_layers": 2,
        "patch_size": 4,
        "projection_dim": 16,
    }
    return drawn(ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=16)))


def gpt2() -> GPT2LMHeadModel:
    """AudioLDM 2's language model, which is fed embeddings, not tokens."""
    config = GPT2Config(
        vocab_size=8,
        n_positions=256,
        n_embd=16,
        n_layer=1,
        n_head=2,
        bos_token_id=None,
        eos_token_id=None,
        max_new_tokens=8,
    )
    return GPT2LMHeadModel(config).eval()
