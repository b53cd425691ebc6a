"""The guidance of a whole run, computed before it from stored vectors.

All that depends on the vectors alone (thresholds, scales, signs, weights, the sum over concepts) is done once on the
host, and uploaded once. A step then costs a scatter of the kept entries and the momentum's update, however many
vectors there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sega_store import Concept
from sega_vectors.guidance import add_momentum, step_weights, weighted_sum
from sega_vectors.schedule import StepMatch


@dataclass(frozen=True)
class PlannedVector:
    """One vector, ready for a run.

    Attributes:
        kept: m_t at the λ to be applied, shape (T, C, *S), float32, on the host.
        concept: The edit parameters to be applied, in the run's own steps.
        match: Which recorded steps stand for the run's.
        edit_momentum_scale: s_m.
        edit_mom_beta: β_m.
    """

    kept: Tensor
    concept: Concept
    match: StepMatch
    edit_momentum_scale: float
    edit_mom_beta: float

    def at(self, step: int) -> Tensor:
        """m_t for a step of the run, shape (C, *S)."""
        lower, upper, weight = (int(self.match.lower[step]), int(self.match.upper[step]), self.match.weight[step])
        if weight == 0:
            return self.kept[lower]
        return (1 - float(weight)) * self.kept[lower] + float(weight) * self.kept[upper]


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
        self._weights = [step_weights(concepts, step) for step in range(num_steps)]
        kept = [[vector.at(step) for vector in vectors] for step in range(num_steps)]
        self._early = _SparseSteps(
            [
                weighted_sum(m, w.early) if w.early is not None else torch.zeros_like(m[0])
                for m, w in zip(kept, self._weights, strict=True)
            ],
            device,
        )
        # Momentum is linear: vectors that share its parameters share one sum, the usual case, and sums add up.
        self._joint: dict[tuple[float, float], _SparseSteps] = {}
        for key in dict.fromkeys((v.edit_momentum_scale, v.edit_mom_beta) for v in vectors):
            members = [i for i, v in enumerate(vectors) if (v.edit_momentum_scale, v.edit_mom_beta) == key]
            self._joint[key] = _SparseSteps(
                [
                    weighted_sum([m[i] for i in members], [w.joint[i] for i in members])
                    for m, w in zip(kept, self._weights, strict=True)
                ],
                device,
            )
        self._momentum: dict[tuple[float, float], Tensor] = {}

    def guidance(self, step: int) -> Tensor | None:
        """γ_t to be added at a step, shape (C, *S), float32; None where nothing is.

        To be called for each step in turn, since momentum builds up.
        """
        total: Tensor | None = None
        for key, steps in self._joint.items():
            joint = steps.dense(step)
            momentum = self._momentum.get(key)
            guidance, self._momentum[key] = add_momentum(
                joint, torch.zeros_like(joint) if momentum is None else momentum, *key
            )
            total = guidance if total is None else total + guidance
        weights = self._weights[step]
        if weights.early is not None:
            return self._early.dense(step)
        return total if weights.warm else None


def for_samples(
    guidances: Mapping[tuple[int, ...], Tensor | None], assigned: Sequence[tuple[int, ...]]
) -> Tensor | None:
    """γ_t of each sample, shape (B, C, *S), or (1, C, *S) if it is the same for all; None where nothing is added.

    Args:
        guidances: γ_t of each set of vectors, shape (C, *S).
        assigned: The set that acts on each sample; one without a plan adds nothing.
    """
    known = next((guidance for guidance in guidances.values() if guidance is not None), None)
    if known is None:
        return None
    if len(set(assigned)) == 1:
        return known.unsqueeze(0)
    rows = [guidances.get(indices) for indices in assigned]
    return torch.stack([torch.zeros_like(known) if row is None else row for row in rows])
