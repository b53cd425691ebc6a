"""γ_t from what each concept keeps, step after step: warm-up, the early sum, the joint sum and momentum.

The recorder, the applier and the guider add up in the same way, equations (13) to (15) in `guidance.py`:
while only some concepts have left their warm-up, their weighted sum guides without momentum; once all have, the joint
sum with momentum does. Momentum builds up from the first step on.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sega_vectors.maths.guidance import StepWeights, add_momentum, weighted_sum


@dataclass(frozen=True)
class Momentum:
    """What concepts must share to share one momentum, which is linear.

    Attributes:
        scale: s_m.
        beta: β_m.
        conversion: For each of the run's steps, what γ is multiplied by to act on the run's kind of prediction; None
            where it is the recorded kind. ν is made of what was recorded, and converted after.
    """

    scale: float
    beta: float
    conversion: tuple[float, ...] | None = None

    def factor(self, step: int) -> float:
        """The conversion of a step."""
        return 1.0 if self.conversion is None else self.conversion[step]


@dataclass(frozen=True)
class StepSums:
    """The sums over the concepts at one step.

    Attributes:
        step: The run's step, from 0.
        joint: Σ_i g_i s_e,i m_t,i of the concepts that share each momentum, unconverted.
        early: The weighted sum, converted, while only some concepts are warm; else None.
        warm: Whether all concepts are.
    """

    step: int
    joint: Mapping[Momentum, Tensor]
    early: Tensor | None
    warm: bool


def sharing(momenta: Sequence[Momentum]) -> dict[Momentum, list[int]]:
    """The concepts that share each momentum, by index."""
    members: dict[Momentum, list[int]] = {}
    for i, momentum in enumerate(momenta):
        members.setdefault(momentum, []).append(i)
    return members


def early_weights(weights: StepWeights, momenta: Sequence[Momentum], step: int) -> list[float] | None:
    """What each concept's m_t is multiplied by for the early sum, conversion included."""
    if weights.early is None:
        return None
    return [weight * momentum.factor(step) for weight, momentum in zip(weights.early, momenta, strict=True)]


def sum_step(kept: Sequence[Tensor], weights: StepWeights, momenta: Sequence[Momentum], step: int) -> StepSums:
    """The sums of one step.

    Args:
        kept: m_t of each concept, all of one shape.
        weights: Their weights at this step.
        momenta: The momentum of each.
        step: The run's step, from 0.
    """
    early = early_weights(weights, momenta, step)
    return StepSums(
        step=step,
        joint={
            momentum: weighted_sum([kept[i] for i in members], [weights.joint[i] for i in members])
            for momentum, members in sharing(momenta).items()
        },
        early=None if early is None else weighted_sum(kept, early),
        warm=weights.warm,
    )


class Accumulator:
    """Carries the momenta of a run from step to step."""

    def __init__(self) -> None:
        self._momenta: dict[Momentum, Tensor] = {}

    def guidance(self, sums: StepSums) -> Tensor | None:
        """γ_t of the next step, in the sums' shape and float32; None where nothing is added."""
        guidances = []
        for key, joint in sums.joint.items():
            momentum = self._momenta.get(key)
            guidance, self._momenta[key] = add_momentum(
                joint, torch.zeros_like(joint) if momentum is None else momentum, key.scale, key.beta
            )
            guidances.append(guidance if key.conversion is None else key.factor(sums.step) * guidance)
        if sums.early is not None:
            return sums.early
        return functools.reduce(torch.add, guidances) if sums.warm else None
