"""Trains the judge on renders, on their reconstructions, and on decoys.

Decoys are figures with glasses, beard, hat, earrings, scarf or blush off their place, labelled absent: what is asked
is whether a thing is *worn*. Held out are figures, not pictures: no figure that the judge is tested on was seen in any
medium. The judge sees pictures at half their size, 64x64.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from captions import FAMILIES, HAIR_COLOURS, HAIR_LENGTHS, HAIR_TEXTURES, WORN, Picture
from diffusers import AutoencoderKL
from media import BACKGROUNDS, MEDIA
from numpy.typing import NDArray
from precision import mixed_precision
from safetensors.torch import save_file
from text_encoder import LOGITS, SIZES, attribute_loss, targets
from torch import Tensor
from torch.nn import functional as F
from vae import decode, encode, to_tensor

from sega_vectors.judging.embedded_judge import JudgeNetwork

BATCH = 64
TESTED = 2000  # held-out pictures, and as many decoys
ATTRIBUTES = {
    "medium": list(MEDIA),
    "background": [f"{name} background" for name in BACKGROUNDS],
    "family": list(FAMILIES),
    "hair colour": [f"{name} hair" for name in HAIR_COLOURS],
    "hair length": [f"{name} hair" for name in HAIR_LENGTHS],
    "hair texture": [f"{name} hair" for name in HAIR_TEXTURES],
    "worn": list(WORN),
}


class Pictures:
    """Pictures of one rendered set with their labels."""

    def __init__(self, stem: Path) -> None:
        self.pixels: NDArray[np.uint8] = np.load(stem.with_suffix(".npy"), mmap_mode="r")
        self.figures: list[dict[str, Any]] = json.loads(stem.with_suffix(".json").read_text())

    def draw(self, rng: np.random.Generator, count: int) -> tuple[NDArray[np.uint8], tuple[Tensor, Tensor]]:
        """`count` pictures, (count, 128, 128, 3), and their labels."""
        rows, columns = rng.integers(len(self.figures), size=count), rng.integers(len(MEDIA), size=count)
        labels = targets([Picture.of(self.figures[r], int(c)) for r, c in zip(rows, columns, strict=True)])
        return np.stack([self.pixels[r, c] for r, c in zip(rows, columns, strict=True)]), labels


@torch.no_grad()
def reconstruct(vae: AutoencoderKL, pixels: NDArray[np.uint8], noise: Tensor) -> NDArray[np.uint8]:
    """The pictures after a round through the autoencoder, with `noise` (B, 16, 16, 16) added to their latents."""
    with mixed_precision():
        return decode(vae, (encode(vae, pixels) + noise).float())


def halved(pixels: NDArray[np.uint8]) -> Tensor:
    """Pictures (B, 128, 128, 3) as the judge sees them: (B, 3, 64, 64) of -1..1."""
    return F.avg_pool2d(to_tensor(pixels), 2)


def latent_errors(count: int) -> Tensor:
    """Errors as a denoiser may leave in latents, white or smooth, of deviation 0 to 0.4: shape (count, 16, 16, 16)."""
    white = torch.randn(count, 16, 16, 16)
    smooth = 3 * F.avg_pool2d(white, 3, stride=1, padding=1)
    return torch.where(torch.rand(count, 1, 1, 1) < 0.5, white, smooth) * (0.4 * torch.rand(count, 1, 1, 1))


def train(folder: Path, vae: AutoencoderKL, steps: int, seed: int) -> JudgeNetwork:
    """Half of each batch is renders and half reconstructions; a third of either is decoys."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    plain, decoys = Pictures(folder / "train"), Pictures(folder / "decoys")
    network = JudgeNetwork(LOGITS)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.15)
    began = time.monotonic()
    for step in range(steps):
        count = BATCH // 3
        (a, la), (b, lb) = plain.draw(rng, BATCH - count), decoys.draw(rng, count)
        pixels, labels = np.concatenate([a, b]), tuple(torch.cat(pair) for pair in zip(la, lb, strict=True))
        half = slice(None, None, 2)
        pixels[half] = reconstruct(vae, pixels[half], latent_errors(BATCH // 2))
        images = halved(pixels)
        images = images * (0.85 + 0.3 * torch.rand(BATCH, 1, 1, 1)) + 0.1 * torch.randn(BATCH, 3, 1, 1)
        with mixed_precision():
            logits = network(images.contiguous(memory_format=torch.channels_last)).float()
        loss = attribute_loss(logits, labels[0], labels[1])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            print(f"judge {step}/{steps} loss {loss.item():.3f} {time.monotonic() - began:.0f} s", flush=True)
    return network.eval()


@torch.no_grad()
def accuracy(network: JudgeNetwork, pixels: NDArray[np.uint8], labels: tuple[Tensor, Tensor]) -> dict[str, float]:
    """The share of right answers, per attribute and per worn concept."""
    logits = torch.cat([network(halved(part)) for part in np.array_split(pixels, max(1, len(pixels) // 200))])
    parts = torch.split(logits, SIZES, 1)
    result = {
        name: (part.argmax(1) == index).float().mean().item()
        for name, part, index in zip(ATTRIBUTES, parts[:-1], labels[0].T, strict=False)
    }
    right = ((parts[-1] > 0) == (labels[1] > 0.5)).float().mean(0)
    return {name: round(value, 4) for name, value in [*result.items(), *zip(WORN, right.tolist(), strict=True)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path, help="folder with vae; the judge goes to RUN/judge")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=40)
    arguments = parser.parse_args()
    vae = AutoencoderKL.from_pretrained(arguments.run / "vae").eval()
    network = train(arguments.data, vae, arguments.steps, arguments.seed)
    out = arguments.run / "judge"
    out.mkdir(parents=True, exist_ok=True)
    # What is tested is what is shipped: the weights are rounded to half precision first.
    weights = {k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    weights = {k: v.contiguous() for k, v in weights.items()}
    save_file(weights, out / "model.safetensors")
    (out / "config.json").write_text(json.dumps({"size": 64, "attributes": ATTRIBUTES}, indent=2) + "\n")
    network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})
    rng = np.random.default_rng(arguments.seed + 1)
    figures: dict[str, dict[str, float]] = {}
    for name in ("held", "held_decoys"):
        pixels, labels = Pictures(arguments.data / name).draw(rng, TESTED)
        figures[name] = accuracy(network, pixels, labels)
        again = reconstruct(vae, pixels, torch.zeros(len(pixels), 16, 16, 16))
        figures[name + ", reconstructed"] = accuracy(network, again, labels)
    (arguments.run / "judge.json").write_text(json.dumps(figures, indent=2))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
