"""The guidance of a run, from stored vectors.

Where the run's timesteps are known before it, all that depends on the vectors alone (thresholds, scales, signs,
weights, the sum over concepts) is done once on the host, and uploaded once (`GuidancePlan`). A step then costs a
scatter of the kept entries and the momentum's update, however many vectors there are. Where timesteps become known
one by one, the vectors are uploaded, and a step costs a scatter for each (`StepwisePlan`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sega_store import Concept
from sega_vectors.maths.accumulator import Accumulator, Momentum, StepSums, early_weights, sharing, sum_step
from sega_vectors.maths.guidance import step_weights
from sega_vectors.maths.parameters import Edit
from sega_vectors.maths.schedule import StepMatch, TrainedSteps
from sega_vectors.maths.sparse_steps import Places, SparseSteps, Values


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

    def at(self, step: int, factor: float) -> Iterator[tuple[float, Places, Values]]:
        """`factor` times m_t for a step of the run, as summands."""
        if factor:
            for share, recorded in self.match.at(step):
                yield factor * share, self.kept.places[recorded], self.kept.values[recorded]


class GuidancePlan:
    """γ_t of every step of a run, for one set of vectors."""

    def __init__(self, vectors: Sequence[PlannedVector], num_steps: int, device: torch.device) -> None:
        """Plan a run.

        Args:
            vectors: The vectors that act together.
            num_steps: The run's scheduler calls.
            device: Where the run's samples are.
        """
        shape, momenta = vectors[0].kept.shape, [vector.momentum for vector in vectors]
        self._weights = [step_weights([vector.concept for vector in vectors], step) for step in range(num_steps)]
        early = [early_weights(weights, momenta, step) for step, weights in enumerate(self._weights)]

        def summed(steps: Sequence[Sequence[float]], members: Sequence[int]) -> SparseSteps:
            summands = (
                [summand for i in members for summand in vectors[i].at(step, factors[i])]
                for step, factors in enumerate(steps)
            )
            return SparseSteps.of_sums(shape, summands)

        self._joint = {
            momentum: summed([weights.joint for weights in self._weights], members).to(device)
            for momentum, members in sharing(momenta).items()
        }
        everyone, nothing = range(len(vectors)), [0.0] * len(vectors)
        self._early = summed([nothing if factors is None else factors for factors in early], everyone).to(device)
        self._accumulator = Accumulator()
        self._step = 0

    def guidance(self) -> Tensor | None:
        """γ_t to be added at the next step, shape (C, *S), float32; None where nothing is."""
        step, weights = self._step, self._weights[self._step]
        self._step += 1
        joint = {momentum: steps.dense(step) for momentum, steps in self._joint.items()}
        early = None if weights.early is None else self._early.dense(step)
        return self._accumulator.guidance(StepSums(step, joint, early, weights.warm))


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
        kept = [_mixed(k.dense, m, step) for k, m in zip(self._kept, matches, strict=True)]
        return self._accumulator.guidance(sum_step(kept, weights, self._momenta, step))


def _mixed(of: Callable[[int], Tensor], match: StepMatch, step: int) -> Tensor:
    """What stands for a step of a run, given what there is for each recorded step."""
    shares = match.at(step) or [(0.0, 0)]
    first, *others = (of(recorded) if share == 1 else share * of(recorded) for share, recorded in shares)
    for other in others:
        first = first + other
    return first


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
