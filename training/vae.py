"""The autoencoder: 128x128 pictures to whitened latents of 16x16x16 and back.

Stock `AutoencoderKL`, trained with a gradient loss, L1 and squared losses of the picture and of its averages over
blocks, which keep flat colours, and a weak KL term. The latents are then whitened: each channel's mean and deviation
over the data are folded into the convolutions beside them, so that `scaling_factor` is 1.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from checkpoint import Training, stop
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

BATCH = 4
LEARNING_RATE = 1.5e-3
KL_WEIGHT = 1e-4
OPPONENTS = torch.tensor([[0.6, 0.6, 0.6], [1.5, -1.5, 0.0], [-0.75, -0.75, 1.5]])  # light, and hue as much as light
BLOCKS = (1, 4, 16)  # sides of the blocks whose averages are compared
EMA_DECAY = 0.998
SAVE_EVERY = 50


def new_vae() -> AutoencoderKL:
    """An untrained autoencoder, all but linear: normalising blocks, which lose flat colours, begin with no effect."""
    vae = AutoencoderKL(
        block_out_channels=(16, 32, 64, 128),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=1,  # more would take the colour out of flat pictures
        sample_size=128,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )
    for module in vae.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
    for module in vae.modules():
        if isinstance(module, ResnetBlock2D):
            nn.init.zeros_(module.conv2.weight)
    return vae


def to_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """Pictures (B, 128, 128, 3) of 0..255 to a tensor (B, 3, 128, 128) of -1..1."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def gradient_loss(a: Tensor, b: Tensor) -> Tensor:
    """L1 between the differences of neighbouring pixels."""
    horizontal = F.l1_loss(a[..., 1:] - a[..., :-1], b[..., 1:] - b[..., :-1])
    vertical = F.l1_loss(a[..., 1:, :] - a[..., :-1, :], b[..., 1:, :] - b[..., :-1, :])
    return horizontal + vertical


def picture_loss(decoded: Tensor, images: Tensor) -> Tensor:
    """How far two batches of pictures (B, 3, 128, 128) are apart: in edges, in pixels and in the averages of blocks."""
    loss = gradient_loss(decoded, images)
    decoded, images = (torch.einsum("oc,bchw->bohw", OPPONENTS, part) for part in (decoded, images))
    for side in BLOCKS:
        a, b = F.avg_pool2d(decoded, side), F.avg_pool2d(images, side)
        loss = loss + (1 if side == 1 else 2) * (F.l1_loss(a, b) + F.mse_loss(a, b))
    return loss


def train(pictures: NDArray[np.uint8], folder: Path, steps: int, seed: int, minutes: float) -> AutoencoderKL:
    """Trains or resumes, for so many minutes at most. Returns the averaged weights, not yet whitened."""
    torch.manual_seed(seed)
    vae = new_vae().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=LEARNING_RATE, weight_decay=1e-4, betas=(0.9, 0.99), fused=True)
    training = Training(vae, optimizer, EMA_DECAY)
    start = training.load(folder / "vae.pt")
    flat = pictures.reshape(-1, *pictures.shape[-3:])
    began = time.monotonic()
    for step in range(start, steps):
        if time.monotonic() - began > 60 * minutes:
            training.save(folder / "vae.pt", step)
            stop("vae", step, steps)
        training.set_rate(LEARNING_RATE, step, steps)
        rng = np.random.default_rng((seed, step))
        images = to_tensor(flat[np.sort(rng.choice(len(flat), BATCH, replace=False))])
        if step < steps // 2:  # quarters of pictures first: four times as many steps in the same time
            y, x = 8 * rng.integers(9, size=2)
            images = images[..., y : y + 64, x : x + 64]
        images = images.contiguous(memory_format=torch.channels_last)
        posterior = vae.encode(images).latent_dist
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        loss = picture_loss(vae.decode(posterior.sample()).sample, images) + KL_WEIGHT * kl
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        training.update(vae)
        if step % 25 == 0:
            print(f"vae {step}/{steps} loss {loss.item():.4f} {time.monotonic() - began:.0f} s", flush=True)
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            training.save(folder / "vae.pt", step + 1)
    assert isinstance(training.average, AutoencoderKL)
    return training.average.eval()


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: NDArray[np.uint8], batch: int = 64) -> Tensor:
    """The posterior means of pictures (N, 128, 128, 3): shape (N, 16, 16, 16), float32."""
    means = []
    for start in range(0, len(pictures), batch):
        images = to_tensor(pictures[start : start + batch]).contiguous(memory_format=torch.channels_last)
        means.append(vae.encode(images).latent_dist.mean.contiguous())
    return torch.cat(means)


@torch.no_grad()
def decode(vae: AutoencoderKL, latents: Tensor, batch: int = 64) -> NDArray[np.uint8]:
    """Latents (N, 16, 16, 16) to pictures (N, 128, 128, 3), uint8."""
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
    # The first half of the outputs are the posterior's means, the others its log-variances.
    half = len(mean)
    quant.weight[:half] /= deviation[:, None, None, None]
    quant.bias[:half] = (quant.bias[:half] - mean) / deviation
    quant.bias[half:] -= 2 * deviation.log()
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
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=10)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    pictures = np.load(arguments.data / "train.npy", mmap_mode="r")
    held = np.load(arguments.data / "held.npy", mmap_mode="r")
    vae = train(pictures, arguments.out, arguments.steps, arguments.seed, arguments.minutes)
    whiten(vae, np.asarray(pictures[:100]).reshape(-1, 128, 128, 3))
    vae.save_pretrained(arguments.out / "vae")
    figures = {"psnr": [round(psnr(vae, np.asarray(held[:200, medium])), 2) for medium in range(held.shape[1])]}
    (arguments.out / "vae.json").write_text(json.dumps(figures))
    print(figures)


if __name__ == "__main__":
    main()
