"""The guidance of a run, from stored vectors.

The vectors are uploaded once; a step then costs a scatter of the kept entries of each of them, and the momentum's
update. Where the run's timesteps are known before it, so are all weights and matches (`GuidancePlan`); where they
become known one by one, each step is matched when it comes (`StepwisePlan`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sega_store import Concept
from sega_vectors.maths.accumulator import Accumulator, Momentum, StepSums, early_weights, sharing
from sega_vectors.maths.guidance import StepWeights, step_weights
from sega_vectors.maths.parameters import Edit
from sega_vectors.maths.schedule import StepMatch, TrainedSteps
from sega_vectors.maths.sparse_steps import SparseSteps


@dataclass(frozen=True)
class PlannedVector:
    """One vector, ready for a run.

    Attributes:
        kept: m_t of each recorded step at the λ to be applied.
        concept: The edit parameters to be applied, in the run's own steps.
        match: Which recorded steps stand for the run's.
        momentum: s_m and β_m, and the conversion to the run's kind of prediction.
    """

    kept: SparseSteps
    concept: Concept
    match: StepMatch
    momentum: Momentum


class GuidancePlan:
    """γ_t of every step of a run, for one set of vectors."""

    def __init__(self, vectors: Sequence[PlannedVector], num_steps: int, device: torch.device) -> None:
        """Plan a run.

        Args:
            vectors: The vectors that act together.
            num_steps: The run's scheduler calls.
            device: Where the run's samples are.
        """
        self._matches = [vector.match for vector in vectors]
        self._momenta = [vector.momentum for vector in vectors]
        self._weights = [step_weights([vector.concept for vector in vectors], step) for step in range(num_steps)]
        self._kept = [vector.kept.to(device) for vector in vectors]
        self._accumulator = Accumulator()
        self._step = 0

    def guidance(self) -> Tensor | None:
        """γ_t to be added at the next step, shape (C, *S), float32; None where nothing is."""
        step = self._step
        self._step += 1
        return self._accumulator.guidance(_sums(self._kept, self._matches, self._momenta, self._weights[step], step))


class StepwisePlan:
    """γ_t of a run whose timesteps come one after the other, for one set of vectors."""

    def __init__(self, edits: Sequence[Edit], device: torch.device) -> None:
        """Plan a run.

        Args:
            edits: The vectors that act together.
            device: Where the run's samples are.
        """
        self._edits = edits
        self._steps = [TrainedSteps(edit.vector) for edit in edits]
        self._kept = [edit.kept.to(device) for edit in edits]
        self._momenta = [edit.momentum() for edit in edits]
        self._timesteps: list[float] = []
        self._accumulator = Accumulator()

    def guidance(self, timestep: float) -> Tensor | None:
        """γ_t to be added at the next step, shape (C, *S), float32; None where nothing is."""
        self._timesteps.append(timestep)
        step = len(self._timesteps) - 1
        matches = [steps.match(np.array(self._timesteps)) for steps in self._steps]
        weights = step_weights([e.concept(m.steps_before) for e, m in zip(self._edits, matches, strict=True)], step)
        return self._accumulator.guidance(_sums(self._kept, matches, self._momenta, weights, step))


def _sums(
    kept: Sequence[SparseSteps],
    matches: Sequence[StepMatch],
    momenta: Sequence[Momentum],
    weights: StepWeights,
    step: int,
) -> StepSums:
    """The sums of one step of a run over stored vectors: a scatter of the kept entries of each."""

    def summed(factors: Sequence[float], members: Iterable[int]) -> Tensor:
        total = torch.zeros(kept[0].shape, dtype=torch.float32, device=kept[0].values.device)
        for i in members:
            for share, recorded in matches[i].at(step) if factors[i] else ():
                kept[i].add_to(total, recorded, factors[i] * share)
        return total

    early = early_weights(weights, momenta, step)
    return StepSums(
        step=step,
        joint={momentum: summed(weights.joint, members) for momentum, members in sharing(momenta).items()},
        early=None if early is None else summed(early, range(len(kept))),
        warm=weights.warm,
    )


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
