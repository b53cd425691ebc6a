"""The autoencoder: 64x64 pictures to whitened latents of 4x16x16 and back.

Stock `AutoencoderKL`, trained with L1, squared and gradient losses and a weak KL term. The latents are then whitened:
each channel's mean and deviation over the data are folded into the convolutions beside them, so that `scaling_factor`
is 1.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from average import averaged
from checkpoint import load_checkpoint, save_checkpoint
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

BATCH = 16
LEARNING_RATE = 1.5e-3
KL_WEIGHT = 2e-4
EMA_DECAY = 0.998


def new_vae() -> AutoencoderKL:
    """An untrained autoencoder."""
    return AutoencoderKL(
        block_out_channels=(32, 64, 96),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=64,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )


def to_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """Pictures (B, 64, 64, 3) of 0..255 to a tensor (B, 3, 64, 64) of -1..1."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def gradient_loss(a: Tensor, b: Tensor) -> Tensor:
    """L1 between the differences of neighbouring pixels."""
    horizontal = F.l1_loss(a[..., 1:] - a[..., :-1], b[..., 1:] - b[..., :-1])
    vertical = F.l1_loss(a[..., 1:, :] - a[..., :-1, :], b[..., 1:, :] - b[..., :-1, :])
    return horizontal + vertical


def train(pictures: NDArray[np.uint8], folder: Path, steps: int, seed: int) -> AutoencoderKL:
    """Trains (or resumes) and returns the averaged weights' autoencoder, not yet whitened."""
    torch.manual_seed(seed)
    vae = new_vae().to(memory_format=torch.channels_last)
    average = averaged(vae, EMA_DECAY)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=LEARNING_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1)
    parts = {"vae": vae, "average": average, "optimizer": optimizer, "schedule": schedule}
    start = load_checkpoint(folder / "vae.pt", parts)
    flat = pictures.reshape(-1, *pictures.shape[-3:])
    began = time.monotonic()
    for step in range(start, steps):
        rng = np.random.default_rng((seed, step))
        images = to_tensor(flat[np.sort(rng.choice(len(flat), BATCH, replace=False))])
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            posterior = vae.encode(images).latent_dist
            decoded = vae.decode(posterior.sample()).sample
        decoded = decoded.float()
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        loss = (
            F.l1_loss(decoded, images) + F.mse_loss(decoded, images) + gradient_loss(decoded, images) + KL_WEIGHT * kl
        )
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(vae)
        if step % 50 == 0:
            print(f"vae {step}/{steps} loss {loss.item():.4f} {time.monotonic() - began:.0f} s", flush=True)
        if (step + 1) % 500 == 0:
            save_checkpoint(folder / "vae.pt", parts, step + 1)
    result = average.module
    assert isinstance(result, AutoencoderKL)
    return result.eval()


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: NDArray[np.uint8], batch: int = 250) -> Tensor:
    """The posterior means of pictures (N, 64, 64, 3): shape (N, 4, 16, 16), float32."""
    means = []
    for start in range(0, len(pictures), batch):
        images = to_tensor(pictures[start : start + batch]).contiguous(memory_format=torch.channels_last)
        means.append(vae.encode(images).latent_dist.mean.contiguous())
    return torch.cat(means)


@torch.no_grad()
def decode(vae: AutoencoderKL, latents: Tensor, batch: int = 250) -> NDArray[np.uint8]:
    """Latents (N, 4, 16, 16) to pictures (N, 64, 64, 3), uint8."""
    images = [vae.decode(part).sample.clamp(-1, 1) for part in torch.split(latents, batch)]
    array: NDArray[np.uint8] = ((torch.cat(images) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return array


@torch.no_grad()
def whiten(vae: AutoencoderKL, pictures: NDArray[np.uint8]) -> None:
    """Folds the latents' mean and deviation per channel, measured on `pictures`, into the autoencoder."""
    latents = encode(vae, pictures)
    mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    quant, post = vae.quant_conv, vae.post_quant_conv
    assert quant is not None
    assert post is not None
    # The first four outputs are the posterior's means, the others its log-variances.
    quant.weight[:4] /= deviation[:, None, None, None]
    quant.bias[:4] = (quant.bias[:4] - mean) / deviation
    quant.bias[4:] -= 2 * deviation.log()
    post.bias += (post.weight[:, :, 0, 0] * mean).sum(1)
    post.weight *= deviation[None, :, None, None]


def psnr(vae: AutoencoderKL, pictures: NDArray[np.uint8]) -> float:
    """Mean peak signal-to-noise ratio of reconstructions, in dB."""
    again = decode(vae, encode(vae, pictures)).astype(np.float32)
    error = ((again - pictures.astype(np.float32)) ** 2).mean((1, 2, 3)) / 255**2
    return float((-10 * np.log10(error)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with train.npy and held.npy")
    parser.add_argument("out", type=Path, help="folder of checkpoints; the model goes to OUT/vae")
    parser.add_argument("--steps", type=int, default=2200)
    parser.add_argument("--seed", type=int, default=10)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    pictures = np.load(arguments.data / "train.npy", mmap_mode="r")
    held = np.load(arguments.data / "held.npy", mmap_mode="r")
    vae = train(pictures, arguments.out, arguments.steps, arguments.seed)
    whiten(vae, np.asarray(pictures[:800]).reshape(-1, 64, 64, 3))
    vae.save_pretrained(arguments.out / "vae")
    figures = {"psnr": [round(psnr(vae, np.asarray(held[:200, medium])), 2) for medium in range(held.shape[1])]}
    (arguments.out / "vae.json").write_text(json.dumps(figures))
    print(figures)


if __name__ == "__main__":
    main()
