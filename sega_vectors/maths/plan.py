"""The guidance of a run, from stored vectors.

Where the run's timesteps are known before it, all that depends on the vectors alone (thresholds, scales, signs,
weights, the sum over concepts) is done once on the host, and uploaded once (`GuidancePlan`). A step then costs a
scatter of the kept entries and the momentum's update, however many vectors there are. Where timesteps become known
one by one, the vectors are uploaded, and a step costs a scatter for each (`StepwisePlan`).
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from sega_store import Concept
from sega_vectors.maths.guidance import add_momentum, step_weights, weighted_sum
from sega_vectors.maths.parameters import Edit
from sega_vectors.maths.schedule import StepMatch, TrainedSteps

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
        return self.match.at(step, lambda recorded: self.kept[recorded])

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


class _Momenta:
    """ν_t of a run.

    Momentum is linear: vectors that share its parameters share one sum, the usual case, and sums add up. It is made of
    what was recorded, and converted after, as it would have been in a run of the recorded kind.
    """

    def __init__(self) -> None:
        self._momenta: dict[_Momentum, Tensor] = {}

    def add(self, joints: Mapping[_Momentum, Tensor], step: int) -> Tensor:
        """γ_t with momentum, for each step in turn.

        Args:
            joints: Σ_i g_i s_e,i m_t,i of the vectors that share their momentum, by that.
            step: The run's step.
        """
        guidances = []
        for key, joint in joints.items():
            scale, beta, conversion = key
            momentum = self._momenta.get(key)
            guidance, self._momenta[key] = add_momentum(
                joint, torch.zeros_like(joint) if momentum is None else momentum, scale, beta
            )
            guidances.append(guidance if conversion is None else conversion[step] * guidance)
        return functools.reduce(torch.add, guidances)


def _sharing(momenta: Sequence[_Momentum]) -> dict[_Momentum, list[int]]:
    """The vectors that share each momentum, by index."""
    sharing: dict[_Momentum, list[int]] = {}
    for i, key in enumerate(momenta):
        sharing.setdefault(key, []).append(i)
    return sharing


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
        self._joint: dict[_Momentum, _SparseSteps] = {}
        for key, members in _sharing([vector.momentum for vector in vectors]).items():
            joint = [
                weighted_sum([m[i] for i in members], [w.joint[i] for i in members])
                for m, w in zip(kept, self._weights, strict=True)
            ]
            self._joint[key] = _SparseSteps(joint, device)
        self._momenta = _Momenta()

    def guidance(self, step: int) -> Tensor | None:
        """γ_t to be added at a step, shape (C, *S), float32; None where nothing is.

        To be called for each step in turn, since momentum builds up.
        """
        total = self._momenta.add({key: steps.dense(step) for key, steps in self._joint.items()}, step)
        weights = self._weights[step]
        if weights.early is not None:
            return self._early.dense(step)
        return total if weights.warm else None


class StepwisePlan:
    """γ_t of a run whose timesteps come one after the other, for one set of vectors.

    The vectors are uploaded once; a step then costs a scatter of the kept entries of each of them.
    """

    def __init__(self, edits: Sequence[Edit], device: torch.device) -> None:
        """Plan a run.

        Args:
            edits: The vectors that act together.
            device: Where the run's samples are.
        """
        self._edits = edits
        self._steps = [TrainedSteps(edit.vector) for edit in edits]
        self._kept = [_SparseSteps(list(edit.kept), device) for edit in edits]
        self._sharing = _sharing([(edit.edit_momentum_scale, edit.edit_mom_beta, None) for edit in edits])
        self._timesteps: list[float] = []
        self._momenta = _Momenta()

    def guidance(self, timestep: float) -> Tensor | None:
        """γ_t to be added at the next step, shape (C, *S), float32; None where nothing is."""
        self._timesteps.append(timestep)
        step = len(self._timesteps) - 1
        matches = [steps.match(np.array(self._timesteps)) for steps in self._steps]
        weights = step_weights([e.concept(m.steps_before) for e, m in zip(self._edits, matches, strict=True)], step)
        kept = [m.at(step, k.dense) for k, m in zip(self._kept, matches, strict=True)]
        joint = {
            key: weighted_sum([kept[i] for i in members], [weights.joint[i] for i in members])
            for key, members in self._sharing.items()
        }
        total = self._momenta.add(joint, step)
        if weights.early is not None:
            return weighted_sum(kept, weights.early)
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
