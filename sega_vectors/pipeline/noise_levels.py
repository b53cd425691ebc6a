"""What a scheduler says of a run: what the denoiser predicts for it, its noise levels, and where it starts."""

from typing import Any

import numpy as np
import torch

from sega_vectors.latents.tensors import as_doubles
from sega_vectors.maths.schedule import FloatArray, diffusion_levels, noise_to_signal, same_timesteps


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
            return diffusion_levels(as_doubles(scheduler.alphas_cumprod), timesteps)
        if hasattr(scheduler, "_alpha_cumprod"):  # Würstchen's: a function of times in [0, 1]
            alphas = scheduler._alpha_cumprod(torch.as_tensor(timesteps), torch.device("cpu"))
            return noise_to_signal(as_doubles(alphas))
    planned = as_doubles(scheduler.timesteps)
    sigmas = as_doubles(scheduler.sigmas)[: len(planned)]
    order = np.argsort(planned)
    levels: FloatArray = np.interp(timesteps, planned[order], sigmas[order])
    return levels


def first_step(scheduler: Any, timestep: Any, num_timesteps: int | None) -> int:
    """Where in its schedule a run starts: one that starts from an image leaves out the steps at more noise.

    Args:
        scheduler: A diffusers scheduler whose timesteps have been set.
        timestep: The run's first; some pipelines give one a sample.
        num_timesteps: The number of steps that the run takes, if the pipeline says so: it tells the places of a
            repeated timestep apart where the scheduler doesn't know its beginning.
    """
    planned = as_doubles(scheduler.timesteps)
    nearest = planned[np.argmin(np.abs(planned - float(torch.as_tensor(timestep).flatten()[0])))]
    places = np.flatnonzero(same_timesteps(planned, nearest)).tolist()
    said = [getattr(scheduler, "begin_index", None), None if num_timesteps is None else len(planned) - num_timesteps]
    return next((place for place in said if place in places), places[0])
