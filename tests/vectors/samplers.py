"""A table of samplers: diffusers' schedulers as they are built for Stable Diffusion and for flow models.

Attributes of a row that are facts hold for a run of `NUM_STEPS` steps, which `test_samplers.py` asserts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DEISMultistepScheduler,
    DPMSolverMultistepScheduler,
    DPMSolverSDEScheduler,
    DPMSolverSinglestepScheduler,
    EDMEulerScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    FlowMatchLCMScheduler,
    HeunDiscreteScheduler,
    KDPM2AncestralDiscreteScheduler,
    KDPM2DiscreteScheduler,
    LCMScheduler,
    LMSDiscreteScheduler,
    PNDMScheduler,
    SASolverScheduler,
    TCDScheduler,
    UniPCMultistepScheduler,
)

NUM_STEPS = 6

_SD: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
_FLOW: dict[str, Any] = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}


@dataclass(frozen=True)
class Sampler:
    """A scheduler and what it does in a run.

    Attributes:
        name: The row's name.
        kind: Diffusers' class.
        family: The family of pipelines that it's for, one of `FAMILIES`.
        config: What the class is built with.
        arguments: What the pipeline is called with besides.
        num_calls: How many times a run of `NUM_STEPS` steps calls `scheduler.step`.
        noise: Where the noise of its steps is from: nowhere, the `generator` that the pipeline passes on, or torch's
            global random state.
        repeats: Whether a run visits a timestep more than once.
        variables: Which of `sigmas` and `alphas_cumprod` it has.
        needs: The package that diffusers needs for it.
    """

    name: str
    kind: Any
    family: Literal["sd", "sd3"] = "sd"
    config: Mapping[str, Any] = field(default_factory=lambda: _SD)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    num_calls: int = NUM_STEPS
    noise: Literal["none", "generator", "global"] = "none"
    repeats: bool = False
    variables: tuple[str, ...] = ("sigmas", "alphas_cumprod")
    needs: str | None = None

    def build(self) -> Any:
        return self.kind(**self.config)

    def __str__(self) -> str:
        return self.name


_ALPHAS = ("alphas_cumprod",)
_SIGMAS = ("sigmas",)
_DDIM = {**_SD, "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1}

_ROWS = (
    Sampler("ddim", DDIMScheduler, config=_DDIM, variables=_ALPHAS),
    Sampler("ddim_eta", DDIMScheduler, config=_DDIM, arguments={"eta": 1.0}, noise="generator", variables=_ALPHAS),
    Sampler("ddpm", DDPMScheduler, config={**_SD, "clip_sample": False}, noise="generator", variables=_ALPHAS),
    Sampler(
        "pndm", PNDMScheduler, config={**_SD, "skip_prk_steps": True}, num_calls=7, repeats=True, variables=_ALPHAS
    ),
    Sampler("pndm_prk", PNDMScheduler, num_calls=15, repeats=True, variables=_ALPHAS),
    Sampler("lms", LMSDiscreteScheduler),
    Sampler("euler", EulerDiscreteScheduler),
    Sampler("euler_karras", EulerDiscreteScheduler, config={**_SD, "use_karras_sigmas": True}),
    Sampler("euler_ancestral", EulerAncestralDiscreteScheduler, noise="generator"),
    Sampler("heun", HeunDiscreteScheduler, num_calls=11, repeats=True),
    Sampler("kdpm2", KDPM2DiscreteScheduler, num_calls=11),
    Sampler("kdpm2_ancestral", KDPM2AncestralDiscreteScheduler, num_calls=11, noise="generator", repeats=True),
    Sampler("dpmsolver++", DPMSolverMultistepScheduler),
    Sampler("dpmsolver++_karras", DPMSolverMultistepScheduler, config={**_SD, "use_karras_sigmas": True}),
    Sampler(
        "sde-dpmsolver++",
        DPMSolverMultistepScheduler,
        config={**_SD, "algorithm_type": "sde-dpmsolver++"},
        noise="generator",
    ),
    Sampler("dpmsolver_singlestep", DPMSolverSinglestepScheduler, config={**_SD, "lower_order_final": True}),
    Sampler("dpmsolver_sde", DPMSolverSDEScheduler, num_calls=11, noise="global", needs="torchsde"),
    Sampler("unipc", UniPCMultistepScheduler),
    Sampler("deis", DEISMultistepScheduler),
    Sampler("lcm", LCMScheduler, noise="generator", variables=_ALPHAS),
    Sampler("tcd", TCDScheduler, variables=_ALPHAS),
    Sampler("tcd_eta", TCDScheduler, arguments={"eta": 0.3}, noise="generator", variables=_ALPHAS),
    Sampler("sa_solver", SASolverScheduler, noise="generator"),
    Sampler("edm_euler", EDMEulerScheduler, config={}, variables=_SIGMAS),
    Sampler("flow_euler", FlowMatchEulerDiscreteScheduler, "sd3", {"shift": 3.0}, variables=_SIGMAS),
    Sampler(
        "flow_euler_stochastic",
        FlowMatchEulerDiscreteScheduler,
        "sd3",
        {"shift": 3.0, "stochastic_sampling": True},
        noise="global",
        variables=_SIGMAS,
    ),
    Sampler(
        "flow_heun",
        FlowMatchHeunDiscreteScheduler,
        "sd3",
        {"shift": 3.0},
        num_calls=11,
        repeats=True,
        variables=_SIGMAS,
    ),
    Sampler("flow_lcm", FlowMatchLCMScheduler, "sd3", {"shift": 3.0}, noise="global", variables=_SIGMAS),
    Sampler("flow_unipc", UniPCMultistepScheduler, "sd3", _FLOW),
    Sampler("flow_dpmsolver++", DPMSolverMultistepScheduler, "sd3", _FLOW),
    Sampler(
        "flow_sde-dpmsolver++",
        DPMSolverMultistepScheduler,
        "sd3",
        {**_FLOW, "algorithm_type": "sde-dpmsolver++"},
        noise="global",
    ),
    Sampler("flow_dpmsolver_singlestep", DPMSolverSinglestepScheduler, "sd3", {**_FLOW, "lower_order_final": True}),
    Sampler("flow_deis", DEISMultistepScheduler, "sd3", _FLOW),
    Sampler("flow_sa_solver", SASolverScheduler, "sd3", _FLOW, noise="global"),
)

SAMPLERS: dict[str, Sampler] = {sampler.name: sampler for sampler in _ROWS}
