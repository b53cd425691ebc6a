"""The coupling of noise and picture: layout is a matter of the noise, whatever the medium and the prompt.

Noise is commonly paired with pictures at random. Here a pool of noises is paired with a pool of pictures by linear
assignment, so that the noise agrees with *where the figure stands*, and with nothing else: the cost is minus the
inner product of the noise with a soft map of head and shoulders made from the layout alone, without a pixel of the
picture. It is a permutation of the pool, so each noise is used once and the noise as a whole stays Gaussian. What is
worn, the hair and the medium are kept out of the cost; they stay a matter of the prompt.

References:
    Immiscible Diffusion: Accelerating Diffusion Training with Noise Assignment (arXiv 2406.12303)
    Improving and Generalizing Flow-Based Generative Models with Minibatch Optimal Transport (arXiv 2302.00482)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage, optimize
from torch import Tensor

LATENT = 16
CELL = 4  # pixels of the picture per latent cell, along one side
LOW_PASS = 1.0  # of the map, in latent cells


def layout_map(layout: Mapping[str, float]) -> NDArray[np.float32]:
    """A soft map of head and shoulders, shape (16, 16), of zero mean and unit norm."""
    y, x = (np.mgrid[: LATENT * CELL, : LATENT * CELL] + 0.5).astype(np.float32)
    scale = layout["scale"]
    dx, dy = (x - layout["x"]) / scale, (y - layout["y"]) / scale
    angle = np.deg2rad(layout["angle"])
    right, down = dx * np.cos(angle) + dy * np.sin(angle), -dx * np.sin(angle) + dy * np.cos(angle)
    head = (right / 11) ** 2 + (down / 14) ** 2 < 1
    shoulders = (down > 14) & (np.abs(right + 2) < np.minimum(17, 6 + 1.5 * (down - 14)))
    mask = (head | shoulders).reshape(LATENT, CELL, LATENT, CELL).mean((1, 3))
    soft = ndimage.gaussian_filter(mask, LOW_PASS, mode="nearest")
    soft = soft - soft.mean()
    result: NDArray[np.float32] = (soft / np.linalg.norm(soft)).astype(np.float32)
    return result


def layout_maps(layouts: Sequence[Mapping[str, float]]) -> Tensor:
    """The maps of many layouts, shape (N, 16, 16)."""
    return torch.from_numpy(np.stack([layout_map(layout) for layout in layouts]))


def channel_direction(latents: Tensor, maps: Tensor) -> Tensor:
    """Which channels tell figure from ground: the latents' regression on the maps, shape (C,), of unit norm.

    Args:
        latents: Shape (N, C, 16, 16), of all media.
        maps: Shape (N, 16, 16).
    """
    slope: Tensor = (latents * maps[:, None]).sum((2, 3)).mean(0)
    direction: Tensor = slope / torch.linalg.vector_norm(slope)
    return direction


def assign(maps: Tensor, noises: Tensor, direction: Tensor) -> Tensor:
    """Which noise goes with which layout.

    Args:
        maps: The pool's layout maps, shape (N, 16, 16).
        noises: As many standard normal noises, shape (N, C, 16, 16).
        direction: From `channel_direction`.

    Returns:
        The noises in the order of the maps: a permutation, shape (N, C, 16, 16).
    """
    fields = torch.einsum("nchw,c->nhw", noises, direction)
    score = maps.flatten(1) @ fields.flatten(1).T
    _, columns = optimize.linear_sum_assignment(score.numpy(), maximize=True)
    return noises[torch.from_numpy(columns)]
