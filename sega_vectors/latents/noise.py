"""The initial noise of a run: drawn, named by its hash, found in a run, and compared with what a run starts from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sega_store import InitialNoise
from sega_vectors.latents.packing import Packing
from sega_vectors.latents.space import packed
from sega_vectors.latents.tensors import as_numpy, dtype_name, same_but_for_rounding

_SAME_DIRECTION = 0.99  # cosine of a first sample and a stored noise: near 0 for another noise, near 1 if only rounded


def as_tensor(noise: InitialNoise) -> Tensor:
    """An initial noise, shape (C, *S), on the host."""
    array = torch.from_numpy(np.array(noise.array))
    return array.view(torch.bfloat16) if noise.dtype == "bfloat16" else array


def stacked(noises: Sequence[InitialNoise]) -> Tensor:
    """Noises as a batch of shape (B, C, *S), on the host."""
    return torch.stack([as_tensor(noise) for noise in noises])


def draw(shape: Sequence[int], seed: int, dtype: torch.dtype) -> InitialNoise:
    """The noise that a pipeline draws from a CPU generator of a seed: the same on whatever device the model runs.

    Args:
        shape: (C, *S).
        seed: The generator's seed.
        dtype: The denoiser's dtype.
    """
    noise = torch.randn(*shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=dtype)
    return InitialNoise(as_numpy(noise), seed=seed, device="cpu", dtype=dtype_name(dtype))


def named(noise: Tensor, generators: Sequence[torch.Generator | None]) -> list[InitialNoise]:
    """The initial noise of each sample, with its seed where a fresh generator drew it.

    Args:
        noise: Shape (B, C, *S).
        generators: The generator of each sample's noise and of nothing before it, in its state before the draw; None
            where it isn't known.
    """
    return [
        InitialNoise(
            array=as_numpy(noise[b]),
            seed=_seed(generator),
            device=(noise if generator is None else generator).device.type,
            dtype=dtype_name(noise.dtype),
        )
        for b, generator in enumerate(generators)
    ]


def _seed(generator: torch.Generator | None) -> int | None:
    """The seed, if the generator has drawn nothing yet; after a draw it no longer names the noise."""
    if generator is None:
        return None
    fresh = torch.Generator(device=generator.device).manual_seed(generator.initial_seed())
    return generator.initial_seed() if torch.equal(fresh.get_state(), generator.get_state()) else None


def generators(noises: Sequence[InitialNoise], device: torch.device) -> list[torch.Generator] | None:
    """Generators of the seeds that drew the noises.

    Args:
        noises: The noises.
        device: Where the pipeline runs.

    Returns:
        None where a noise has no seed, or was drawn on a device of another kind than the CPU and the pipeline's.
    """
    made = []
    for noise in noises:
        if noise.seed is None or noise.device not in ("cpu", device.type):
            return None
        made.append(torch.Generator(device=noise.device).manual_seed(noise.seed))
    return made


def found(candidates: Sequence[Tensor | None], sample: Tensor, sigma: Any, packing: Packing | None) -> Tensor:
    """The noise that a run starts from, shape (B, C, *S), before the scheduler's `init_noise_sigma`.

    Args:
        candidates: Tensors that may be the noise, such as the caller's `latents` and all that the pipeline drew, each
            for the whole batch or for one sample.
        sample: The run's first sample, shape (B, ...).
        sigma: The scheduler's `init_noise_sigma`.
        packing: How the pipeline packs its samples.

    Returns:
        The candidate that became the first sample; if none did, as in a run that starts from a picture, the sample
        divided by `sigma`, in the shape of what was drawn: a denoiser may be given another.
    """
    batch, size = sample.shape[0], sample[0].numel()
    drawn = [candidate for candidate in candidates if candidate is not None and candidate.ndim > 1]
    singles = [candidate for candidate in drawn if candidate.shape[0] == 1 and candidate.numel() == size][:batch]
    if len(singles) == batch:  # a generator for each sample
        drawn.append(torch.cat(singles))
    shape = sample.shape
    for candidate in drawn:
        if candidate.shape[0] == batch and candidate[0].numel() == size:
            noise, shape = candidate, candidate.shape
            if packing is not None:
                packs = candidate.shape == sample.shape
                noise = packing.unpack(candidate) if packs else candidate.reshape(batch, *packing.shape)
            if starts(noise, sample, sigma, packing):
                return noise
    started: Tensor = (sample.reshape(shape) if packing is None else packing.unpack(sample)) / sigma
    return started


def starts(noise: Tensor, sample: Tensor, sigma: Any, packing: Packing | None) -> bool:
    """Whether a run started from a noise, but for rounding.

    Args:
        noise: Shape (B, C, *S).
        sample: The run's first sample, shape (B, ...).
        sigma: The scheduler's `init_noise_sigma`.
        packing: How the pipeline packs its samples.
    """
    if noise.numel() != sample.numel():
        return False
    return same_but_for_rounding(packed(noise.to(sample.device), packing).reshape(sample.shape) * sigma, sample)


def points_along(noise: InitialNoise, sample: Tensor, packing: Packing | None) -> bool:
    """Whether one sample is a multiple of a noise, but for rounding.

    Args:
        noise: The noise.
        sample: Shape (1, ...), float32.
        packing: How the pipeline packs its samples.
    """
    stored = packed(as_tensor(noise).unsqueeze(0).to(sample), packing)
    if sample.numel() != stored.numel():
        return False
    return bool(torch.cosine_similarity(sample.flatten(), stored.flatten(), dim=0) > _SAME_DIRECTION)
