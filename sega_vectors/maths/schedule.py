"""How the steps of one schedule match those of another.

A step is a scheduler call, known by its timestep and by how often that timestep came before: Heun calls twice a step,
PNDM repeats one. Its noise level is σ: the ratio of noise to signal, sqrt((1 - ᾱ) / ᾱ), for diffusion schedulers, and
the share of noise in [0, 1] for flow matching. Recordings on one schedule apply to another at equal log-SNR, between
the two recorded steps that enclose it: guidance is in units of the noise prediction, which do not depend on the
number of steps. Timesteps and levels that differ by rounding alone, 1e-4 relative, are the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sega_store import GuidanceVector

FloatArray = NDArray[np.float64]

ROUNDING = 1e-4
"""Relative: schedulers compute timesteps and levels in float32, each in an order of its own."""

_MAX_TRAIN_TIMESTEPS = 100_000  # real ones are 1,000


def same_timesteps(one: FloatArray, other: FloatArray) -> NDArray[np.bool_]:
    """Where timesteps are equal but for rounding; shapes as `numpy.isclose` has them."""
    largest = max(np.abs(one).max(initial=0), np.abs(other).max(initial=0))
    same: NDArray[np.bool_] = np.isclose(one, other, rtol=ROUNDING, atol=largest * 1e-6)
    return same


def noise_ratios(sigmas: FloatArray, prediction_type: str) -> FloatArray:
    """The ratio of noise to signal at noise levels of either kind, in [1e-6, 1e6]."""
    if prediction_type == "flow_prediction":
        share = sigmas.clip(1e-6, 1 - 1e-6)
        sigmas = share / (1 - share)
    ratios: FloatArray = sigmas.clip(1e-6, 1e6)
    return ratios


def diffusion_levels(alphas_cumprod: FloatArray, timesteps: FloatArray) -> FloatArray:
    """σ at timesteps, interpolated between training steps.

    Args:
        alphas_cumprod: ᾱ of each training step.
        timesteps: Shape (T,).
    """
    known = np.log(noise_to_signal(alphas_cumprod))
    levels: FloatArray = np.exp(np.interp(timesteps, np.arange(len(alphas_cumprod)), known))
    return levels


def noise_to_signal(alphas_cumprod: FloatArray) -> FloatArray:
    """sqrt((1 - ᾱ) / ᾱ), finite at both ends."""
    ᾱ = alphas_cumprod.clip(1e-12, 1 - 1e-12)
    ratio: FloatArray = np.sqrt((1 - ᾱ) / ᾱ)
    return ratio


@dataclass(frozen=True)
class StepMatch:
    """For each step of a run, the recorded steps that stand for it.

    Attributes:
        lower: Index of the recorded step at or before it in the run (at more noise), shape (M,).
        upper: Index of the recorded step after it, shape (M,).
        weight: Share of the upper one, in [0, 1], shape (M,).
        exact: Whether both have the same timesteps, so that each step stands for itself.
        covered: Where the recording reaches: elsewhere nothing stands for the step, bool, shape (M,).
    """

    lower: NDArray[np.intp]
    upper: NDArray[np.intp]
    weight: FloatArray
    exact: bool
    covered: NDArray[np.bool_]

    def at(self, step: int) -> list[tuple[float, int]]:
        """The recorded steps that stand for a step of the run, each preceded by its share; the shares sum to 1.

        There is none for a step that isn't covered.
        """
        if not self.covered[step]:
            return []
        weight = float(self.weight[step])
        shares = [(1 - weight, int(self.lower[step])), (weight, int(self.upper[step]))]
        return [(share, recorded) for share, recorded in shares if share]

    def steps_before(self, recorded_step: int) -> int:
        """How many of the run's steps come before the given recorded step, for warm-up and cool-down."""
        return int(np.count_nonzero(self.lower + self.weight < recorded_step))

    def between(self, recorded_ratios: FloatArray) -> FloatArray:
        """The ratio of noise to signal where the matched guidance was recorded, shape (M,)."""
        logs = np.log(recorded_ratios)
        ratios: FloatArray = np.exp((1 - self.weight) * logs[self.lower] + self.weight * logs[self.upper])
        return ratios


@dataclass(frozen=True)
class Extent:
    """How much of a whole run a recording holds. A step stands for the noise levels up to the next one's, so that a
    recording of a whole run reaches from pure noise to none, whatever its first and last levels are.

    Attributes:
        from_start: Whether it starts where whole runs do, and not from an image.
        to_end: Whether it goes on to the end.
    """

    from_start: bool = True
    to_end: bool = True


def extent(vector: GuidanceVector) -> Extent:
    """How much of a whole run a vector was recorded on, as far as its facts tell."""
    timesteps, run = vector.timesteps, vector.provenance.run
    top = vector.provenance.scheduler.config.get("num_train_timesteps")
    from_start = "denoising_start" not in run.arguments
    if isinstance(top, int) and len(timesteps) > 1 and timesteps[0] > 10:  # some count log σ
        gap = np.ptp(timesteps) / max(1, np.count_nonzero(np.diff(timesteps)))
        from_start = from_start and bool(timesteps[0] + 1.5 * gap >= top)
    chosen = {"timesteps", "sigmas", "strength"} & set(run.arguments)  # then num_inference_steps doesn't tell
    stopped = from_start and not chosen and len(timesteps) < run.num_inference_steps
    return Extent(from_start, to_end="denoising_end" not in run.arguments and not stopped)


def match_steps(
    recorded_timesteps: FloatArray,
    recorded_ratios: FloatArray,
    timesteps: FloatArray,
    ratios: FloatArray,
    recorded: Extent = Extent(),
) -> StepMatch:
    """Match the steps of a run, or its first ones, to recorded ones by log-SNR. Beyond the first and the last recorded
    step the nearest stands, as far as the recording reaches.

    Args:
        recorded_timesteps: Shape (T,), as stored with the vector.
        recorded_ratios: Their ratios of noise to signal, shape (T,); see `noise_ratios`.
        timesteps: The run's timesteps, shape (M,).
        ratios: Their ratios of noise to signal, shape (M,).
        recorded: How much of a whole run the recording holds.
    """
    both = min(len(recorded_timesteps), len(timesteps))  # some schedulers plan a last timestep that they never take
    if same_timesteps(recorded_timesteps[:both], timesteps[:both]).all():
        indices = np.arange(len(timesteps)).clip(max=len(recorded_timesteps) - 1)
        covered = np.full(len(timesteps), True) if recorded.to_end else np.arange(len(timesteps)) < both
        return StepMatch(indices, indices, np.zeros(len(timesteps)), exact=True, covered=covered)
    known, first = _distinct(-np.log(recorded_ratios))
    levels = -np.log(ratios)
    position = np.interp(levels, known, np.arange(len(known)))
    nearest = np.rint(position).astype(np.intp)
    position = np.where(np.abs(levels - known[nearest]) <= ROUNDING, nearest, position)
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, len(known) - 1)
    covered = np.full(len(levels), True)
    if not recorded.from_start:
        covered &= levels >= known[0] - ROUNDING
    if not recorded.to_end:
        covered &= levels <= known[-1] + ROUNDING
    return StepMatch(first[below], first[above], position - below, exact=False, covered=covered)


def _distinct(levels: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Log levels in ascending order, repeated ones once, and the first recorded step that has each."""
    order = np.argsort(levels, kind="stable")
    starts = np.flatnonzero(np.diff(levels[order], prepend=-np.inf) > ROUNDING)
    return levels[order[starts]], np.minimum.reduceat(order, starts)


class TrainedSteps:
    """A vector's recorded steps, and how a run's match them where its scheduler isn't at hand.

    The run's model must have been trained on the recorded model's noise schedule. Samplers of one model share it,
    however they place their steps, so that a timestep alone tells the noise level.
    """

    def __init__(self, vector: GuidanceVector) -> None:
        self._vector = vector
        recorded = vector.provenance.scheduler
        flow = recorded.prediction_type == "flow_prediction"
        self._alphas_cumprod = None if flow else trained_alphas(recorded.config)
        self._known = noise_ratios(vector.sigmas, recorded.prediction_type)

    def match(self, timesteps: FloatArray) -> StepMatch:
        """Match the first steps of a run by log-SNR.

        Args:
            timesteps: The run's timesteps so far, shape (M,).
        """
        return match_steps(
            self._vector.timesteps, self._known, timesteps, self._ratios(timesteps), extent(self._vector)
        )

    def _ratios(self, timesteps: FloatArray) -> FloatArray:
        """σ / α at timesteps: by the betas, else interpolated between the recorded steps (flow matching's σ is
        linear)."""
        recorded = self._vector
        if self._alphas_cumprod is not None:
            return noise_ratios(diffusion_levels(self._alphas_cumprod, timesteps), "epsilon")
        order = np.argsort(recorded.timesteps)
        sigmas = np.interp(timesteps, recorded.timesteps[order], recorded.sigmas[order])
        return noise_ratios(sigmas, recorded.provenance.scheduler.prediction_type)


def trained_alphas(config: Mapping[str, Any]) -> FloatArray | None:
    """ᾱ of each training step, from a scheduler's configuration, which may be a stranger's.

    Returns:
        Shape (num_train_timesteps,); None where the configuration describes no noise schedule that is known here:
        betas `linear`, `scaled_linear` or `squaredcos_cap_v2`, as all of diffusers' samplers have them.
    """
    start, end, count = (config.get(key) for key in ("beta_start", "beta_end", "num_train_timesteps"))
    if config.get("trained_betas") is not None or not isinstance(count, int) or not 0 < count <= _MAX_TRAIN_TIMESTEPS:
        return None
    if not isinstance(start, float) or not isinstance(end, float) or not 0 < start < 1 or not 0 < end < 1:
        return None
    match config.get("beta_schedule"):
        case "linear":
            betas = np.linspace(start, end, count)
        case "scaled_linear":
            betas = np.linspace(start**0.5, end**0.5, count) ** 2
        case "squaredcos_cap_v2":
            bars = np.cos((np.arange(count + 1) / count + 0.008) / 1.008 * np.pi / 2) ** 2
            betas = np.minimum(1 - bars[1:] / bars[:-1], 0.999)
        case _:
            return None
    alphas_cumprod: FloatArray = np.asarray(np.cumprod(1 - betas), np.float64)
    if config.get("rescale_betas_zero_snr"):  # arXiv 2305.08891, algorithm 1
        roots = np.sqrt(alphas_cumprod)
        rescaled: FloatArray = ((roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])) ** 2
        return rescaled
    return alphas_cumprod
