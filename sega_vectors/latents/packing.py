"""Latents that a pipeline packs into a sequence of tokens, and where their entries are in space.

Flux, Qwen-Image and others draw their noise as (B, C, *S) and hand (B, tokens, channels) to denoiser and scheduler.
Guidance belongs to places and channels, so a vector has the unpacked shape. Which entry goes where is learnt from the
pipeline itself (`sega_vectors.pipeline.packings`), or tried on the noise that it starts from.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from sega_vectors.latents.tensors import same_but_for_rounding


@dataclass(frozen=True)
class Packing:
    """A reordering of a sample's entries.

    Attributes:
        shape: (C, *S), unpacked.
        packed_shape: (tokens, channels).
        order: For each packed entry, its unpacked one, shape (tokens * channels,).
        inverse: For each unpacked entry, its packed one.
    """

    shape: tuple[int, ...]
    packed_shape: tuple[int, ...]
    order: Tensor
    inverse: Tensor

    @classmethod
    def of_patches(cls, shape: tuple[int, ...], packed_shape: tuple[int, ...]) -> "Packing | None":
        """The packing with one token for each square patch, channels before places, as everywhere in diffusers.

        Args:
            shape: (C, *S), unpacked.
            packed_shape: (tokens, channels).

        Returns:
            None if the shapes don't fit.
        """
        if len(shape) < 3 or len(packed_shape) != 2 or math.prod(shape) != math.prod(packed_shape):
            return None
        channels, height, width = shape[0], *shape[-2:]
        side = math.isqrt(packed_shape[1] // channels)
        if side * side * channels != packed_shape[1] or height % side or width % side:
            return None
        numbers = torch.arange(math.prod(shape)).reshape(channels, -1, height // side, side, width // side, side)
        order = numbers.permute(1, 2, 4, 0, 3, 5).flatten()
        return cls(shape, packed_shape, order, order.argsort())

    def to(self, device: torch.device) -> "Packing":
        """The same packing on another device; with its indices there already, a run doesn't wait for them."""
        return replace(self, order=self.order.to(device), inverse=self.inverse.to(device))

    def pack(self, latents: Tensor) -> Tensor:
        """(B, C, *S) to (B, tokens, channels)."""
        return latents.flatten(1).index_select(1, self.order).reshape(-1, *self.packed_shape)

    def unpack(self, packed: Tensor) -> Tensor:
        """(B, tokens, channels) to (B, C, *S)."""
        return packed.flatten(1).index_select(1, self.inverse).reshape(-1, *self.shape)


def find_packing(learnt: Sequence[Packing], drawn: Sequence[Tensor], sample: Tensor, sigma: Any) -> Packing | None:
    """How a pipeline packs its samples, on their device; None if it hands them on as they are.

    Args:
        learnt: The packings that the pipeline was seen to use.
        drawn: Noises that the run may start from, each of shape (B, C, *S). Where no packing was seen, the one by
            patches is taken if it turns one of these into the sample.
        sample: The run's first sample, shape (B, ...).
        sigma: The scheduler's `init_noise_sigma`.
    """
    packed_shape = tuple(sample.shape[1:])
    packing = next((p for p in learnt if p.packed_shape == packed_shape), None) or _of_drawn(drawn, sample, sigma)
    return packing and packing.to(sample.device)


def _of_drawn(drawn: Sequence[Tensor], sample: Tensor, sigma: Any) -> Packing | None:
    for noise in drawn:
        shape = tuple(n for n in noise.shape[1:] if n > 1)
        packing = Packing.of_patches(shape, tuple(sample.shape[1:]))
        if packing is not None and noise.shape[0] == sample.shape[0]:
            packed = packing.to(noise.device).pack(noise.reshape(noise.shape[0], *shape)).to(sample.device) * sigma
            if same_but_for_rounding(packed, sample):
                return packing
    return None
