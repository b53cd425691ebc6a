"""Steps of a run as noise levels, and how the steps of one schedule match those of another.

A step is a scheduler call, known by its timestep and by how often that timestep came before: Heun calls twice a step,
PNDM repeats one. Its noise level is σ: the ratio of noise to signal, sqrt((1 - ᾱ) / ᾱ), for diffusion schedulers, and
the share of noise in [0, 1] for flow matching. Recordings on one schedule apply to another at equal log-SNR, between
the two recorded steps that enclose it: guidance is in units of the noise prediction, which do not depend on the
number of steps.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler
from numpy.typing import NDArray
from torch import Tensor

from sega_store import GuidanceVector

FloatArray = NDArray[np.float64]

_BETAS = ("beta_start", "beta_end", "beta_schedule", "num_train_timesteps", "rescale_betas_zero_snr")
_BETA_SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")  # what all of diffusers' samplers know
_MAX_TRAIN_TIMESTEPS = 100_000  # real ones are 1,000


def prediction_type(scheduler: Any) -> str:
    """What the denoiser predicts for this scheduler: `epsilon`, `v_prediction`, `sample` or `flow_prediction`."""
    flow = type(scheduler).__name__.startswith("FlowMatch")
    return str(scheduler.config.get("prediction_type", "flow_prediction" if flow else "epsilon"))


def noise_levels(scheduler: Any, timesteps: FloatArray) -> FloatArray:
    """σ at the given timesteps.

    Args:
        scheduler: A diffusers scheduler whose timesteps have been set.
        timesteps: Shape (T,).

    Returns:
        σ, shape (T,): from the scheduler's `alphas_cumprod` where it has one and isn't one of flow matching,
        interpolated between its training steps, else from its `sigmas`.
    """
    if prediction_type(scheduler) != "flow_prediction":
        if hasattr(scheduler, "alphas_cumprod"):
            return _diffusion_levels(as_array(scheduler.alphas_cumprod), timesteps)
        if hasattr(scheduler, "_alpha_cumprod"):  # Würstchen's: a function of times in [0, 1]
            return _ratio(as_array(scheduler._alpha_cumprod(torch.as_tensor(timesteps), torch.device("cpu"))))
    planned = as_array(scheduler.timesteps)
    sigmas = as_array(scheduler.sigmas)[: len(planned)]
    order = np.argsort(planned)
    levels: FloatArray = np.interp(timesteps, planned[order], sigmas[order])
    return levels


def first_step(scheduler: Any, timestep: Any, num_timesteps: int | None) -> int:
    """Where in its schedule a run starts: one that starts from an image leaves out the steps at more noise.

    Args:
        scheduler: A diffusers scheduler whose timesteps have been set.
        timestep: The run's first.
        num_timesteps: How many it takes, where the pipeline says so: what tells a repeated timestep's places apart
            if the scheduler doesn't know where it begins.
    """
    planned = as_array(scheduler.timesteps)
    nearest = planned[np.argmin(np.abs(planned - float(timestep)))]
    places = np.flatnonzero(planned == nearest).tolist()
    said = [getattr(scheduler, "begin_index", None), None if num_timesteps is None else len(planned) - num_timesteps]
    return next((place for place in said if place in places), places[0])


def noise_ratios(sigmas: FloatArray, prediction_type: str) -> FloatArray:
    """The ratio of noise to signal at noise levels of either kind, in [1e-6, 1e6]."""
    if prediction_type == "flow_prediction":
        share = sigmas.clip(1e-6, 1 - 1e-6)
        sigmas = share / (1 - share)
    ratios: FloatArray = sigmas.clip(1e-6, 1e6)
    return ratios


def as_array(values: Tensor) -> FloatArray:
    """A tensor's values on the host, as float64."""
    return values.detach().to("cpu", torch.float64).numpy()


def _diffusion_levels(alphas_cumprod: FloatArray, timesteps: FloatArray) -> FloatArray:
    levels: FloatArray = np.exp(np.interp(timesteps, np.arange(len(alphas_cumprod)), np.log(_ratio(alphas_cumprod))))
    return levels


def _ratio(alphas_cumprod: FloatArray) -> FloatArray:
    ᾱ = alphas_cumprod.clip(1e-12, 1 - 1e-12)
    ratio: FloatArray = np.sqrt((1 - ᾱ) / ᾱ)
    return ratio


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

    def at(self, step: int, recorded: Callable[[int], Tensor]) -> Tensor:
        """What stands for a step of the run, given what there is for each recorded step."""
        weight = float(self.weight[step])
        lower = recorded(int(self.lower[step]))
        return lower if weight == 0 else (1 - weight) * lower + weight * recorded(int(self.upper[step]))

    def steps_before(self, recorded_step: int) -> int:
        """How many of the run's steps come before the given recorded step, for warm-up and cool-down."""
        return int(np.count_nonzero(self.lower + self.weight < recorded_step - 1e-9))

    def between(self, recorded_ratios: FloatArray) -> FloatArray:
        """The ratio of noise to signal where the matched guidance was recorded, shape (M,)."""
        logs = np.log(recorded_ratios)
        ratios: FloatArray = np.exp((1 - self.weight) * logs[self.lower] + self.weight * logs[self.upper])
        return ratios


def match_steps(
    recorded_timesteps: FloatArray, recorded_ratios: FloatArray, timesteps: FloatArray, ratios: FloatArray
) -> StepMatch:
    """Match the steps of a run, or its first ones, to recorded ones by log-SNR; beyond the recorded range, the nearest
    stands.

    Args:
        recorded_timesteps: Shape (T,), as stored with the vector.
        recorded_ratios: Their ratios of noise to signal, shape (T,); see `noise_ratios`.
        timesteps: The run's, shape (M,).
        ratios: Theirs, shape (M,).
    """
    recorded = len(recorded_timesteps)
    if np.array_equal(recorded_timesteps[: len(timesteps)], timesteps[:recorded]):  # some plan a last timestep that
        # they never take
        indices = np.arange(len(timesteps)).clip(max=recorded - 1)
        return StepMatch(indices, indices, np.zeros(len(timesteps)), exact=True)
    known, first = np.unique(-np.log(recorded_ratios), return_index=True)
    position = np.interp(-np.log(ratios), known, np.arange(len(known)))
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, len(known) - 1)
    return StepMatch(first[below], first[above], position - below, exact=False)


class TrainedSteps:
    """A vector's recorded steps, and how a run's match them where its scheduler isn't at hand.

    The run's model must have been trained on the recorded model's noise schedule. Samplers of one model share it,
    however they place their steps, so that a timestep alone tells the noise level.
    """

    def __init__(self, vector: GuidanceVector) -> None:
        self._vector = vector
        self._scheduler: DDPMScheduler | None = None
        recorded = vector.provenance.scheduler
        config = {key: recorded.config[key] for key in _BETAS if key in recorded.config}
        if recorded.prediction_type != "flow_prediction" and _describes_betas(recorded.config):
            self._scheduler = DDPMScheduler(**config)

    def match(self, timesteps: FloatArray) -> StepMatch:
        """Match the first steps of a run by log-SNR.

        Args:
            timesteps: The run's so far, shape (M,).
        """
        recorded = self._vector
        known = noise_ratios(recorded.sigmas, recorded.provenance.scheduler.prediction_type)
        return match_steps(recorded.timesteps, known, timesteps, self._ratios(timesteps))

    def _ratios(self, timesteps: FloatArray) -> FloatArray:
        """σ / α at timesteps: of the betas, or else between the recorded steps; flow matching's σ is linear there."""
        recorded = self._vector
        if self._scheduler is not None:
            return noise_ratios(noise_levels(self._scheduler, timesteps), "epsilon")
        order = np.argsort(recorded.timesteps)
        sigmas = np.interp(timesteps, recorded.timesteps[order], recorded.sigmas[order])
        return noise_ratios(sigmas, recorded.provenance.scheduler.prediction_type)


def _describes_betas(config: Mapping[str, Any]) -> bool:
    """Whether a recorded configuration, which may be a stranger's, is one to make a noise schedule from."""
    numbers = [config.get(key) for key in ("beta_start", "beta_end", "num_train_timesteps")]
    named = config.get("beta_schedule") in _BETA_SCHEDULES and config.get("trained_betas") is None
    return named and all(isinstance(n, int | float) and 0 < n <= _MAX_TRAIN_TIMESTEPS for n in numbers)
