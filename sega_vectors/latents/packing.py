"""Latents that a pipeline packs into a sequence of tokens, and where their entries are in space.

Flux, Qwen-Image and others draw their noise as (B, C, *S) and hand (B, tokens, channels) to denoiser and scheduler.
Guidance belongs to places and channels, so a vector has the unpacked shape. Which entry goes where is learnt by letting
the pipeline's own `_pack_latents` pack the numbers of the entries.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from sega_vectors.pipeline.patching import replaced


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
        """The packing of one token a square patch, its channels before its places, as diffusers has it everywhere.

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
        """The same on another device: indices that are there already cost a run no waiting."""
        return replace(self, order=self.order.to(device), inverse=self.inverse.to(device))

    def pack(self, latents: Tensor) -> Tensor:
        """(B, C, *S) to (B, tokens, channels)."""
        return latents.flatten(1).index_select(1, self.order).reshape(-1, *self.packed_shape)

    def unpack(self, packed: Tensor) -> Tensor:
        """(B, tokens, channels) to (B, C, *S)."""
        return packed.flatten(1).index_select(1, self.inverse).reshape(-1, *self.shape)


@contextmanager
def learning_packings(pipe: DiffusionPipeline) -> Iterator[list[Packing]]:
    """The packings that the pipeline uses within the block, in order."""
    learnt: list[Packing] = []
    pack = getattr(pipe, "_pack_latents", None)
    if pack is None:
        yield learnt
        return

    def watched(latents: Tensor, *args: Any, **kwargs: Any) -> Any:
        batch = latents.shape[0]
        numbers = torch.arange(latents[0].numel()).expand(batch, -1).reshape(latents.shape)
        packed = pack(numbers, *args, **kwargs)[0]
        order = packed.flatten()
        shape = tuple(n for n in latents.shape[1:] if n > 1)
        learnt.append(Packing(shape, tuple(packed.shape), order, order.argsort()))
        return pack(latents, *args, **kwargs)

    with replaced(pipe, "_pack_latents", watched):
        yield learnt


def packing_for(packings: list[Packing], sample_shape: tuple[int, ...]) -> Packing | None:
    """The packing that gives samples of a shape, if one does."""
    return next((p for p in packings if p.packed_shape == tuple(sample_shape)), None)


def patches_of(drawn: Sequence[Tensor], sample: Tensor, sigma: Any) -> Packing | None:
    """The packing by patches under which a sample is drawn noise, for pipelines whose own packing isn't at hand.

    Args:
        drawn: What the pipeline drew, each of shape (B, C, *S).
        sample: The first sample, shape (B, tokens, channels).
        sigma: The scheduler's `init_noise_sigma`.
    """
    for noise in drawn:
        shape = tuple(n for n in noise.shape[1:] if n > 1)
        packing = Packing.of_patches(shape, tuple(sample.shape[1:]))
        if packing is not None and noise.shape[0] == sample.shape[0]:
            packed = packing.pack(noise.reshape(noise.shape[0], *shape)) * sigma
            if torch.equal(packed.to(sample), sample):
                return packing
    return None
