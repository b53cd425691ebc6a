"""The guidance of a whole run, computed before it from stored vectors.

All that depends on the vectors alone (thresholds, scales, signs, weights, the sum over concepts) is done once on the
host, and uploaded once. A step then costs a scatter of the kept entries and the momentum's update, however many
vectors there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from sega_store import Concept
from sega_vectors.guidance import add_momentum, step_weights, weighted_sum
from sega_vectors.schedule import StepMatch

_Momentum: TypeAlias = tuple[float, float, tuple[float, ...] | None]


@dataclass(frozen=True)
class PlannedVector:
    """One vector, ready for a run.

    Attributes:
        kept: m_t at the λ to be applied, shape (T, C, *S), float32, on the host.
        concept: The edit parameters to be applied, in the run's own steps.
        match: Which recorded steps stand for the run's.
        edit_momentum_scale: s_m.
        edit_mom_beta: β_m.
        conversion: For each of the run's steps, what γ is multiplied by to act on this run's kind of prediction; None
            where it is the recorded kind.
    """

    kept: Tensor
    concept: Concept
    match: StepMatch
    edit_momentum_scale: float
    edit_mom_beta: float
    conversion: tuple[float, ...] | None = None

    def at(self, step: int) -> Tensor:
        """m_t for a step of the run, shape (C, *S)."""
        lower, upper, weight = (int(self.match.lower[step]), int(self.match.upper[step]), self.match.weight[step])
        if weight == 0:
            return self.kept[lower]
        return (1 - float(weight)) * self.kept[lower] + float(weight) * self.kept[upper]

    @property
    def momentum(self) -> "_Momentum":
        """What vectors must share to share one momentum."""
        return self.edit_momentum_scale, self.edit_mom_beta, self.conversion

    def converted(self, step: int) -> float:
        """The factor of a step."""
        return 1.0 if self.conversion is None else self.conversion[step]


class _SparseSteps:
    """One sparse tensor of shape (C, *S) a step, on the device."""

    def __init__(self, dense: Sequence[Tensor], device: torch.device) -> None:
        flat = [d.flatten() for d in dense]
        indices = [f.nonzero().flatten() for f in flat]
        values = [f[i] for f, i in zip(flat, indices, strict=True)]
        lengths = [len(i) for i in indices]
        self._shape = dense[0].shape
        self._indices = torch.split(torch.cat(indices).to(device), lengths)
        self._values = torch.split(torch.cat(values).to(device), lengths)

    def dense(self, step: int) -> Tensor:
        indices, values = self._indices[step], self._values[step]
        flat = torch.zeros(self._shape.numel(), dtype=values.dtype, device=values.device)
        return flat.index_copy_(0, indices, values).view(self._shape)


class GuidancePlan:
    """γ_t of every step of a run, for one set of vectors."""

    def __init__(self, vectors: Sequence[PlannedVector], num_steps: int, device: torch.device) -> None:
        """Plan a run.

        Args:
            vectors: The vectors that act together.
            num_steps: The run's scheduler calls.
            device: Where the run's samples are.
        """
        concepts = [vector.concept for vector in vectors]
        steps = range(num_steps)
        self._weights = [step_weights(concepts, step) for step in steps]
        kept = [[vector.at(step) for vector in vectors] for step in steps]
        early = [
            weighted_sum(m, [w * v.converted(step) for w, v in zip(weights.early, vectors, strict=True)])
            if weights.early is not None
            else torch.zeros_like(m[0])
            for step, m, weights in zip(steps, kept, self._weights, strict=True)
        ]
        self._early = _SparseSteps(early, device)
        # Momentum is linear: vectors that share its parameters share one sum, the usual case, and sums add up. It is
        # made of what was recorded, and converted after, as it would have been in a run of the recorded kind.
        self._joint: dict[_Momentum, _SparseSteps] = {}
        for key in dict.fromkeys(vector.momentum for vector in vectors):
            members = [i for i, vector in enumerate(vectors) if vector.momentum == key]
            joint = [
                weighted_sum([m[i] for i in members], [w.joint[i] for i in members])
                for m, w in zip(kept, self._weights, strict=True)
            ]
            self._joint[key] = _SparseSteps(joint, device)
        self._momentum: dict[_Momentum, Tensor] = {}

    def guidance(self, step: int) -> Tensor | None:
        """γ_t to be added at a step, shape (C, *S), float32; None where nothing is.

        To be called for each step in turn, since momentum builds up.
        """
        total: Tensor | None = None
        for key, steps in self._joint.items():
            scale, beta, conversion = key
            joint = steps.dense(step)
            momentum = self._momentum.get(key)
            guidance, self._momentum[key] = add_momentum(
                joint, torch.zeros_like(joint) if momentum is None else momentum, scale, beta
            )
            if conversion is not None:
                guidance = conversion[step] * guidance
            total = guidance if total is None else total + guidance
        weights = self._weights[step]
        if weights.early is not None:
            return self._early.dense(step)
        return total if weights.warm else None
