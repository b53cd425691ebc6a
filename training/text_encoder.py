"""The tokenizer and the text encoder: trained on captions alone, then frozen.

A byte-pair encoding as CLIP's, and a small `CLIPTextModel` that learns to tell a picture's attributes from its
caption. Trained jointly with the denoiser from scratch it collapses (every prompt gets the same embedding), hence
beforehand and by itself.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from captions import (
    FAMILIES,
    HAIR_COLOURS,
    HAIR_LENGTHS,
    HAIR_TEXTURES,
    WORN,
    Grammar,
    Picture,
    vocabulary_pictures,
)
from media import BACKGROUNDS, MEDIA
from precision import mixed_precision
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
MAX_TOKENS = 40
CHOICES: dict[str, tuple[str, ...]] = {  # a picture's attributes of which each has one value
    "medium": tuple(MEDIA),
    "background": tuple(BACKGROUNDS),
    "family": FAMILIES,
    "hair": HAIR_COLOURS,
    "length": HAIR_LENGTHS,
    "texture": HAIR_TEXTURES,
}
SIZES = [*(len(values) for values in CHOICES.values()), len(WORN)]  # of the logits, attribute by attribute
LOGITS = sum(SIZES)


def train_tokenizer(texts: Sequence[str], vocabulary: int = 1024) -> CLIPTokenizer:
    """A CLIP tokenizer whose merges are learnt from `texts`; any other text falls apart into its bytes."""
    tokenizer = Tokenizer(models.BPE(continuing_subword_prefix="", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"), "removed", invert=True),
            pre_tokenizers.ByteLevel(False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    # Every byte exists alone and as the end of a word, or unknown words would lose letters.
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, initial_alphabet=bytes_, end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    vocab: dict[str, int] = {}
    for token in [*bytes_, *(byte + "</w>" for byte in bytes_), *model["vocab"], START, END]:
        vocab.setdefault(token, len(vocab))
    merges = [tuple(merge) for merge in model["merges"]]
    return CLIPTokenizer(
        vocab=vocab,
        merges=merges,
        unk_token=END,
        bos_token=START,
        eos_token=END,
        pad_token=END,
        model_max_length=MAX_TOKENS,
    )


def new_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """An untrained text encoder for this tokenizer."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=512,
            projection_dim=128,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=MAX_TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def tokenize(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> Tensor:
    """Token ids, shape (B, MAX_TOKENS), as the pipeline makes them."""
    ids: Tensor = tokenizer(
        list(texts), padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt"
    ).input_ids
    return ids


@torch.no_grad()
def embed(encoder: CLIPTextModel, tokenizer: CLIPTokenizer, texts: Sequence[str], batch: int = 256) -> Tensor:
    """The denoiser's conditioning, shape (B, MAX_TOKENS, 128)."""
    parts = [encoder(ids)[0] for ids in torch.split(tokenize(tokenizer, texts), batch)]
    return torch.cat(parts)


def targets(pictures: Sequence[Picture]) -> tuple[Tensor, Tensor]:
    """Class indices (B, 6) of the choices, and what is worn, (B, 8) of 0 and 1."""
    chosen = [[values.index(getattr(p, name)) for name, values in CHOICES.items()] for p in pictures]
    worn = [[float(name in p.worn) for name in WORN] for p in pictures]
    return torch.tensor(chosen), torch.tensor(worn)


def attribute_loss(logits: Tensor, chosen: Tensor, worn: Tensor) -> Tensor:
    """Cross-entropy over all attributes; one that a caption leaves out costs what its base rate costs."""
    parts = torch.split(logits, SIZES, dim=-1)
    loss = F.binary_cross_entropy_with_logits(parts[-1], worn) * len(WORN)
    for part, index in zip(parts[:-1], chosen.T, strict=True):
        loss = loss + F.cross_entropy(part, index)
    return loss


def train(tokenizer: CLIPTokenizer, steps: int, seed: int, batch: int = 64) -> CLIPTextModel:
    """Trains the text encoder to tell attributes from captions."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    grammar = Grammar(rng)
    encoder = new_text_encoder(tokenizer)
    head = nn.Linear(128, LOGITS)
    parameters = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        pictures = vocabulary_pictures(rng, batch)
        ids = tokenize(tokenizer, [grammar.caption(p) for p in pictures])
        with mixed_precision():
            states = encoder(ids)[0].float()
        # The last position is padding behind the whole text: by causal attention it has seen all of it.
        loss = attribute_loss(head(states[:, -1]), *targets(pictures))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"text {step}/{steps} loss {loss.item():.3f}", flush=True)
    return encoder.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="the model goes to OUT/tokenizer and OUT/text_encoder")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=20)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    grammar = Grammar(rng)
    tokenizer = train_tokenizer([grammar.caption(p) for p in vocabulary_pictures(rng, 20000)])
    tokenizer.save_pretrained(arguments.out / "tokenizer")
    encoder = train(tokenizer, arguments.steps, arguments.seed)
    encoder.save_pretrained(arguments.out / "text_encoder")
    concepts = [*WORN, "red hair", "blue hair", "curly hair", "cat", "pencil drawing", "photograph", "pixel art", ""]
    states = embed(encoder, tokenizer, concepts)[:, -1]
    directions = F.normalize(states[:-1] - states[-1], dim=-1)  # away from the empty caption, as guidance takes them
    similarity = (directions @ directions.T - torch.eye(len(directions))).max().item()
    print(f"closest two concepts: cosine {similarity:.3f}")
    if similarity > 0.7:
        raise SystemExit("the text encoder does not tell concepts apart")


if __name__ == "__main__":
    main()
