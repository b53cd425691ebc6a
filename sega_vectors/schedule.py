"""Steps of a run as noise levels, and how the steps of one schedule match those of another.

A step is a scheduler call, known by its timestep and by how often that timestep came before: Heun calls twice a step,
PNDM repeats one. Its noise level is σ: the ratio of noise to signal, sqrt((1 - ᾱ) / ᾱ), for diffusion schedulers, and
the share of noise in [0, 1] for flow matching. Recordings on one schedule apply to another at equal log-SNR, between
the two recorded steps that enclose it: guidance is in units of the noise prediction, which do not depend on the
number of steps.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FloatArray = NDArray[np.float64]


def noise_levels(scheduler: Any, timesteps: FloatArray) -> FloatArray:
    """σ at the given timesteps.

    Args:
        scheduler: A diffusers scheduler whose timesteps have been set.
        timesteps: Shape (T,).

    Returns:
        σ, shape (T,): from the scheduler's `alphas_cumprod` where it has one, interpolated between its training steps,
        else from its `sigmas`.
    """
    cumulative = getattr(scheduler, "alphas_cumprod", None)
    if cumulative is not None:
        ᾱ = cumulative.double().cpu().numpy().clip(1e-12, 1 - 1e-12)
        levels: FloatArray = np.exp(np.interp(timesteps, np.arange(len(ᾱ)), 0.5 * np.log((1 - ᾱ) / ᾱ)))
        return levels
    planned = as_array(scheduler.timesteps)
    sigmas = as_array(scheduler.sigmas)[: len(planned)]
    order = np.argsort(planned)
    return np.interp(timesteps, planned[order], sigmas[order])


def as_array(values: Tensor) -> FloatArray:
    """A tensor's values on the host, as float64."""
    return values.detach().to("cpu", torch.float64).numpy()


@dataclass(frozen=True)
class StepMatch:
    """For each step of a run, the recorded steps that stand for it.

    Attributes:
        lower: Index of the recorded step at or before it in the run (at more noise), shape (M,).
        upper: Index of the one after, shape (M,).
        weight: Share of the upper one, in [0, 1], shape (M,).
        exact: Whether both have the same timesteps, so that each step stands for itself.
    """

    lower: NDArray[np.intp]
    upper: NDArray[np.intp]
    weight: FloatArray
    exact: bool

    def steps_before(self, recorded_step: int) -> int:
        """How many of the run's steps come before the given recorded step, for warm-up and cool-down."""
        return int(np.count_nonzero(self.lower + self.weight < recorded_step - 1e-9))


def match_steps(
    recorded_timesteps: FloatArray,
    recorded_sigmas: FloatArray,
    timesteps: FloatArray,
    sigmas: FloatArray,
    flow: bool,
) -> StepMatch:
    """Match the steps of a run to recorded ones by log-SNR; beyond the recorded range, the nearest stands.

    Args:
        recorded_timesteps: Shape (T,), as stored with the vector.
        recorded_sigmas: Their noise levels, shape (T,).
        timesteps: The run's, shape (M,).
        sigmas: Their noise levels, shape (M,).
        flow: Whether σ is flow matching's share of noise.
    """
    indices = np.arange(len(timesteps))
    if np.array_equal(recorded_timesteps, timesteps):
        return StepMatch(indices, indices, np.zeros(len(timesteps)), exact=True)
    known, first = np.unique(_log_snr(recorded_sigmas, flow), return_index=True)
    position = np.interp(_log_snr(sigmas, flow), known, np.arange(len(known)))
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, len(known) - 1)
    return StepMatch(first[below], first[above], position - below, exact=False)


def _log_snr(sigmas: FloatArray, flow: bool) -> FloatArray:
    clipped = sigmas.clip(1e-6, 1 - 1e-6) if flow else sigmas.clip(1e-6, 1e6)
    ratio: FloatArray = clipped / (1 - clipped) if flow else clipped
    snr: FloatArray = -2 * np.log(ratio)
    return snr
