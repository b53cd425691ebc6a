"""Stored vectors with the edit parameters that they are to be applied with: as recorded, or as given."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sega_store import Concept, GuidanceVector, InvalidInputError
from sega_vectors.maths.accumulator import Momentum
from sega_vectors.maths.sparse_steps import SparseSteps


@dataclass(frozen=True)
class Edit:
    """A vector and how it is to be applied.

    Attributes:
        vector: As recorded.
        kept: m_t of each recorded step at the λ to be applied.
        changes: The concept's parameters that were given, by their names there.
        edit_momentum_scale: s_m.
        edit_mom_beta: β_m.
    """

    vector: GuidanceVector
    kept: SparseSteps
    changes: Mapping[str, Any]
    edit_momentum_scale: float
    edit_mom_beta: float

    def concept(self, steps_before: Callable[[int], int]) -> Concept:
        """The concept to be applied, in a run's own steps.

        Args:
            steps_before: How many of the run's steps come before a recorded one: recorded warm-up and cool-down are
                moved there, given ones count the run's steps.
        """
        recorded = self.vector.concept
        cooldown = recorded.edit_cooldown_steps
        moved = {
            "edit_warmup_steps": steps_before(recorded.warmup),
            "edit_cooldown_steps": None if cooldown is None else steps_before(cooldown),
        }
        return replace(recorded, **{**moved, **self.changes})

    def momentum(self, conversion: tuple[float, ...] | None = None) -> Momentum:
        """The vector's momentum in a run, with what γ is multiplied by at each step to act on the run's kind of
        prediction."""
        return Momentum(self.edit_momentum_scale, self.edit_mom_beta, conversion)


def edits(
    vectors: Sequence[GuidanceVector],
    *,
    edit_guidance_scale: Any,
    edit_threshold: Any,
    edit_warmup_steps: Any,
    edit_cooldown_steps: Any,
    reverse_editing_direction: Any,
    edit_weights: Any,
    edit_momentum_scale: Any,
    edit_mom_beta: Any,
) -> list[Edit]:
    """Each vector with its parameters: each is one value for all vectors or a list of one a vector; None: as recorded.

    Raises:
        InvalidInputError: A parameter out of range, a λ looser than recorded, or a list of the wrong length.
    """

    def each(name: str, value: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            return [value] * len(vectors)
        if len(value) != len(vectors):
            raise InvalidInputError(
                f"{name} must be one value or one a vector ({len(vectors)}), met a list of {len(value)}"
            )
        return list(value)

    given = {
        "edit_guidance_scale": each("edit_guidance_scale", edit_guidance_scale),
        "edit_warmup_steps": each("edit_warmup_steps", edit_warmup_steps),
        "edit_cooldown_steps": each("edit_cooldown_steps", edit_cooldown_steps),
        "reverse_editing_direction": each("reverse_editing_direction", reverse_editing_direction),
        "edit_weight": each("edit_weights", edit_weights),
    }
    thresholds = each("edit_threshold", edit_threshold)
    scales, betas = each("edit_momentum_scale", edit_momentum_scale), each("edit_mom_beta", edit_mom_beta)
    once = functools.cache(SparseSteps.of_vector)  # for a vector that is given several times, at several scales
    made = []
    for i, vector in enumerate(vectors):
        λ = vector.concept.edit_threshold if thresholds[i] is None else thresholds[i]
        run = vector.provenance.run
        edit = Edit(
            vector=vector,
            kept=once(vector, λ),
            changes={name: values[i] for name, values in given.items() if values[i] is not None},
            edit_momentum_scale=run.edit_momentum_scale if scales[i] is None else scales[i],
            edit_mom_beta=run.edit_mom_beta if betas[i] is None else betas[i],
        )
        replace(vector.concept, **edit.changes)  # raises now what would be raised in the run
        made.append(edit)
    return made
