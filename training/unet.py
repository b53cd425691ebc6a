"""The denoiser: stock `UNet2DConditionModel`, epsilon prediction, Stable Diffusion's own noise schedule.

What is not usual: high noise, where text acts, is weighted up. Noise meets pictures at random, as in large models.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from captions import Grammar, Picture
from checkpoint import Training, stop
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from precision import mixed_precision
from text_encoder import embed
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer
from vae import encode

BATCH = 16
POOL = 1024
LEARNING_RATE = 8e-4
EMPTY_CAPTIONS = 0.12
EMA_DECAY = 0.999
SAVE_EVERY = 500


def new_unet() -> UNet2DConditionModel:
    """An untrained denoiser of 8.8M parameters."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=16,
        out_channels=16,
        block_out_channels=(96, 192),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=128,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def new_scheduler() -> DDIMScheduler:
    """Stable Diffusion's schedule."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="epsilon",
    )


@dataclass(frozen=True)
class Data:
    """Latents of every figure in every medium, shape (N, M, 16, 16, 16), float16, and their figures."""

    latents: Tensor
    figures: list[dict[str, Any]]

    @classmethod
    def load(cls, folder: Path, vae: AutoencoderKL, cache: Path) -> Data:
        """Encodes the training pictures once, and keeps their latents in `cache`."""
        figures = json.loads((folder / "train.json").read_text())
        if not cache.exists():
            pictures = np.load(folder / "train.npy", mmap_mode="r")
            latents = torch.stack([encode(vae, np.asarray(media)).half() for media in pictures])
            torch.save(latents, cache)
        return cls(torch.load(cache), figures)


@dataclass(frozen=True)
class Batch:
    """Latents and noises (B, 16, 16, 16), timesteps (B,), conditioning (B, 40, 128)."""

    latents: Tensor
    noises: Tensor
    timesteps: Tensor
    states: Tensor


def batches(data: Data, encoder: CLIPTextModel, tokenizer: CLIPTokenizer, start: int, seed: int) -> Iterator[Batch]:
    """Batches from step `start` on, the same whether training was interrupted or not."""
    per_pool = POOL // BATCH
    count, media = data.latents.shape[:2]
    for index in range(start // per_pool, 1 << 30):
        rng = np.random.default_rng((seed, index))
        generator = torch.Generator().manual_seed(seed * 1_000_003 + index)
        grammar = Grammar(rng)
        rows, columns = rng.integers(count, size=POOL), rng.integers(media, size=POOL)
        noises = torch.randn(POOL, *data.latents.shape[2:], generator=generator)
        texts = [grammar.caption(Picture.of(data.figures[r], int(c))) for r, c in zip(rows, columns, strict=True)]
        texts = ["" if empty else text for text, empty in zip(texts, rng.random(POOL) < EMPTY_CAPTIONS, strict=True)]
        with mixed_precision():
            states = embed(encoder, tokenizer, texts).float()
        latents = data.latents[rows, columns].float()
        # One timestep from each sixteenth of the schedule in every batch: less variance.
        strata = (torch.arange(POOL) % BATCH + torch.rand(POOL, generator=generator)) * (1000 / BATCH)
        for position in range(start % per_pool if index == start // per_pool else 0, per_pool):
            part = slice(position * BATCH, (position + 1) * BATCH)
            yield Batch(latents[part], noises[part], strata[part].long(), states[part])


def loss_weights(scheduler: DDIMScheduler) -> Tensor:
    """Weight of the squared error at each timestep, mean 1: more at high noise than plain epsilon loss gives."""
    alphas = scheduler.alphas_cumprod
    snr = alphas / (1 - alphas)
    weights = torch.minimum((snr + 1).clamp(max=5) / snr, torch.tensor(12.0))
    return weights / weights.mean()


def train(
    data: Data,
    encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    out: Path,
    steps: int,
    seed: int,
    minutes: float,
) -> UNet2DConditionModel:
    """Trains or resumes, for so many minutes at most. Returns the averaged weights."""
    torch.manual_seed(seed)
    unet = new_unet().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=LEARNING_RATE, weight_decay=1e-3, betas=(0.9, 0.99), fused=True)
    training = Training(unet, optimizer, EMA_DECAY)
    start = training.load(out / "unet.pt")
    scheduler = new_scheduler()
    weights = loss_weights(scheduler)
    began = time.monotonic()
    running = 0.0
    for step, batch in enumerate(batches(data, encoder, tokenizer, start, seed), start):
        if step >= steps:
            break
        if time.monotonic() - began > 60 * minutes:
            training.save(out / "unet.pt", step)
            stop("unet", step, steps)
        training.set_rate(LEARNING_RATE, step, steps)
        noisy = scheduler.add_noise(batch.latents, batch.noises, batch.timesteps)
        with mixed_precision():
            predicted = unet(noisy.contiguous(memory_format=torch.channels_last), batch.timesteps, batch.states).sample
        error = (predicted.float() - batch.noises).square().mean((1, 2, 3))
        loss = (weights[batch.timesteps] * error).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        training.update(unet)
        running = loss.item() if step == start else 0.99 * running + 0.01 * loss.item()
        if step % 100 == 0:
            print(f"unet {step}/{steps} loss {running:.4f} {time.monotonic() - began:.0f} s", flush=True)
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            training.save(out / "unet.pt", step + 1)
    assert isinstance(training.average, UNet2DConditionModel)
    return training.average.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with train.npy and train.json")
    parser.add_argument("run", type=Path, help="folder with vae, tokenizer and text_encoder")
    parser.add_argument("--out", type=Path, help="folder of checkpoints; the model goes to OUT/unet (default: RUN)")
    parser.add_argument("--steps", type=int, default=10500)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=30)
    arguments = parser.parse_args()
    out = arguments.out or arguments.run
    out.mkdir(parents=True, exist_ok=True)
    vae = AutoencoderKL.from_pretrained(arguments.run / "vae").eval()
    tokenizer = CLIPTokenizer.from_pretrained(arguments.run / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(arguments.run / "text_encoder").eval()
    data = Data.load(arguments.data, vae, arguments.run / "latents.pt")
    unet = train(data, encoder, tokenizer, out, arguments.steps, arguments.seed, arguments.minutes)
    unet.save_pretrained(out / "unet")


if __name__ == "__main__":
    main()
