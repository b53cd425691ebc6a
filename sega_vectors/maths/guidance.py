"""The semantic guidance maths, as pure functions on tensors.

With noise predictions ε of shape (B, C, *S), any number of spatial dimensions S::

    ψ_t     = ε(z_t, c_e) - ε(z_t)                                        `semantic_direction`   (5)
    m_t     = ψ_t where |ψ_t| >= λ-quantile of |ψ_t|, else 0              `keep_tails`           (6)
    γ_t     = Σ_i g_i s_e,i m_t,i + s_m ν_t                               `add_momentum`         (13, 15)
    ν_{t+1} = β_m ν_t + (1 - β_m) γ_t,  ν_0 = 0                           `add_momentum`         (14)

The quantile is taken per sample and per channel, with linear interpolation between order statistics, as diffusers'
`SemanticStableDiffusionPipeline` does, whose semantics these functions share: momentum builds up from the first step
on; while only some concepts have left their warm-up their weights are normalised and momentum is left out; γ with
momentum is added once all of them have. The direction's sign and scale are applied to m_t, not to ψ_t: that is the
same set and the same value, and lets m_t be stored free of both.

References:
    SEGA: Instructing Text-to-Image Models using Semantic Guidance, Brack et al., arXiv 2301.12247. Equations are
    numbered in the order of the paper's text.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sega_store import Concept


def semantic_direction(
    noise_pred_edit: Float[Tensor, "b c *s"], noise_pred_uncond: Float[Tensor, "b c *s"]
) -> Float[Tensor, "b c *s"]:
    """ψ of equation (5) with positive sign, in the dtype of the predictions."""
    return noise_pred_edit - noise_pred_uncond


def tail_thresholds(psi: Float[Tensor, "b c *s"], edit_thresholds: Sequence[float]) -> list[Float[Tensor, "b c"]]:
    """The λ-quantiles of |ψ| in each sample and channel, in float32, one tensor for each λ.

    Equal to `torch.quantile(psi.abs().float().flatten(2), λ, dim=2)`, but without its limit of 2^24 elements, without
    a sort of the values below the quantile, and with one selection for all the λ.

    Args:
        psi: Semantic direction, shape (B, C, *S), float32, float16 or bfloat16.
        edit_thresholds: The λ, each in [0, 1).
    """
    magnitude = psi.abs().flatten(2).float()
    count = magnitude.shape[2]
    places = [_neighbours(λ, count) for λ in edit_thresholds]
    top = magnitude.topk(1 + max(below for below, _, _ in places), dim=2).values
    return [torch.lerp(top[:, :, below], top[:, :, above], weight) for below, above, weight in places]


@functools.cache
def _neighbours(edit_threshold: float, count: int) -> tuple[int, int, float]:
    """Where the λ-quantile of so many values lies.

    Returns:
        The places of its lower and its upper neighbour, counted from the largest value, and its way from one to the
        other.
    """
    rank = np.float32(edit_threshold) * np.float32(count - 1)  # torch.quantile's own rounding
    return count - 1 - math.floor(rank), count - 1 - math.ceil(rank), float(rank - math.floor(rank))


def keep_above(psi: Float[Tensor, "b c *s"], threshold: Float[Tensor, "b c"]) -> Float[Tensor, "b c *s"]:
    """ψ where its magnitude reaches the threshold of its sample and channel, else 0."""
    limit = threshold.reshape(*threshold.shape, *[1] * (psi.ndim - 2))
    return torch.where(psi.abs() >= limit, psi, 0.0)


def keep_tails(psi: Float[Tensor, "b c *s"], edit_threshold: float) -> Float[Tensor, "b c *s"]:
    """m_t of equation (6), unscaled: the entries of ψ that carry the concept, in ψ's dtype.

    Args:
        psi: Semantic direction, shape (B, C, *S).
        edit_threshold: λ in [0, 1): about 1 - λ of each channel's entries is kept; ties at the quantile all stay.
    """
    return keep_above(psi, tail_thresholds(psi, [edit_threshold])[0])


@dataclass(frozen=True)
class StepWeights:
    """What each concept's m_t is multiplied by at one step.

    Attributes:
        joint: ± g_i s_e,i of each concept for the sum that momentum is built from; 0 after its cool-down.
        early: The same with the weights of the concepts out of their warm-up normalised to 1 and the others at 0;
            None unless some, but not all, concepts are out of their warm-up.
        warm: Whether all concepts are, so that the joint sum, with momentum, guides.
    """

    joint: tuple[float, ...]
    early: tuple[float, ...] | None
    warm: bool

    @property
    def guides(self) -> bool:
        """Whether anything is added to the noise prediction at this step."""
        return self.warm or self.early is not None


def step_weights(concepts: Sequence[Concept], step: int) -> StepWeights:
    """The weights of the concepts' m_t at the given step, counted in scheduler calls from 0."""

    def cooled(concept: Concept) -> bool:
        return concept.edit_cooldown_steps is not None and step >= concept.edit_cooldown_steps

    weights = [0.0 if cooled(c) else c.edit_weight for c in concepts]
    scales = [-c.edit_guidance_scale if c.reverse_editing_direction else c.edit_guidance_scale for c in concepts]
    ready = [step >= c.warmup for c in concepts]
    early = None
    if any(ready) and not all(ready):
        total = sum(w for w, r in zip(weights, ready, strict=True) if r)
        early = tuple(w / total * s if r and total else 0.0 for w, s, r in zip(weights, scales, ready, strict=True))
    return StepWeights(tuple(w * s for w, s in zip(weights, scales, strict=True)), early, all(ready))


def weighted_sum(kept: Sequence[Float[Tensor, "b c *s"]], weights: Sequence[float]) -> Float[Tensor, "b c *s"]:
    """Σ_i w_i m_t,i of equation (15) in float32, summed in the order of the concepts."""
    total, *others = (weight * m.float() for m, weight in zip(kept, weights, strict=True))
    for other in others:
        total = total + other
    return total


def add_momentum(
    guidance: Float[Tensor, "b c *s"], momentum: Float[Tensor, "b c *s"], scale: float, beta: float
) -> tuple[Float[Tensor, "b c *s"], Float[Tensor, "b c *s"]]:
    """One step of equations (13) and (14).

    Args:
        guidance: Σ_i g_i s_e,i m_t,i, shape (B, C, *S).
        momentum: ν_t, same shape, zeros at the first step.
        scale: s_m, `edit_momentum_scale`.
        beta: β_m, `edit_mom_beta`.

    Returns:
        γ_t and ν_{t+1}.
    """
    guidance = torch.add(guidance, momentum, alpha=scale)
    return guidance, torch.lerp(guidance, momentum, beta)


def add_guidance(noise_pred: Float[Tensor, "b c2 *s"], guidance: Float[Tensor, "#b c *s"]) -> Float[Tensor, "b c2 *s"]:
    """The guided noise prediction of equation (3), rounded once to the prediction's dtype.

    Args:
        noise_pred: What the pipeline hands to its scheduler. Models with learned variance predict 2 C channels, of
            which the first C are the noise.
        guidance: γ_t of each sample, or one for all.
    """
    channels = guidance.shape[1]
    guided = (noise_pred[:, :channels] + guidance).to(noise_pred.dtype)
    if noise_pred.shape[1] == channels:
        return guided
    return torch.cat([guided, noise_pred[:, channels:]], dim=1)
