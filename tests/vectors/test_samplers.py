"""The facts that the table of samplers states of each scheduler's runs."""

from typing import Any

import numpy as np
import pytest
import torch

from .families import FAMILIES
from .samplers import NUM_STEPS, SAMPLERS, Sampler
from .tracing import Trace, trace

pytestmark = pytest.mark.filterwarnings("ignore:Should have t.*but got:UserWarning")  # torchsde rounds times

each = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=str)


def pipeline(sampler: Sampler) -> Any:
    if sampler.needs is not None:
        pytest.importorskip(sampler.needs)
    pipe = FAMILIES[sampler.family].build()
    pipe.scheduler = sampler.build()
    return pipe


def run(sampler: Sampler, pipe: Any, generator_seed: int = 0, global_seed: int = 0) -> Trace:
    """A run from latents that are always the same."""
    family = FAMILIES[sampler.family]
    assert family.latents_shape is not None
    torch.manual_seed(global_seed)
    return trace(
        family,
        pipe,
        latents=torch.randn(1, *family.latents_shape, generator=torch.Generator().manual_seed(3)),
        generator=torch.Generator().manual_seed(generator_seed),
        num_inference_steps=NUM_STEPS,
        **sampler.arguments,
    )


@each
def test_runs_with_the_steps_and_the_variables_that_are_stated(sampler: Sampler) -> None:
    pipe = pipeline(sampler)
    assert tuple(name for name in ("sigmas", "alphas_cumprod") if hasattr(pipe.scheduler, name)) == sampler.variables
    traced = run(sampler, pipe)
    timesteps = [float(step.timestep) for step in traced.steps]
    assert traced.result.isfinite().all()
    assert len(timesteps) == len(pipe.scheduler.timesteps) == sampler.num_calls
    tolerance = 1e-5 * max(map(abs, timesteps))  # rounding in float32; others are a hundredth apart
    descents = -np.diff(timesteps)
    assert (descents > -tolerance).all()
    assert (descents < tolerance).any() == sampler.repeats


@each
def test_draws_its_noise_from_where_is_stated(sampler: Sampler) -> None:
    pipe = pipeline(sampler)
    first = run(sampler, pipe).result
    assert torch.equal(run(sampler, pipe).result, first)
    assert torch.equal(run(sampler, pipe, generator_seed=1).result, first) == (sampler.noise != "generator")
    assert torch.equal(run(sampler, pipe, global_seed=1).result, first) == (sampler.noise != "global")


@pytest.mark.parametrize("name", ["sd", "sd3"])
def test_every_compatible_scheduler_is_in_the_table(name: str) -> None:
    listed = {kind.__name__ for kind in FAMILIES[name].build().scheduler.compatibles}
    assert listed <= {sampler.kind.__name__ for sampler in SAMPLERS.values() if sampler.family == name}
