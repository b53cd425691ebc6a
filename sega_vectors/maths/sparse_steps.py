"""Guidance as places and values, step by step, where a run can add it up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sega_store import GuidanceVector
from sega_store.records.dtypes import widen


@dataclass(frozen=True)
class SparseSteps:
    """One sparse array of shape (C, *S) a step, on one device.

    Attributes:
        shape: (C, *S).
        places: The flat indices of the entries that aren't 0, in ascending order, int32, step after step.
        values: Their values, float32.
        counts: How many there are in each step.
    """

    shape: torch.Size
    places: Tensor
    values: Tensor
    counts: Sequence[int]

    def __post_init__(self) -> None:
        steps = (torch.split(entries, list(self.counts)) for entries in (self.places, self.values))
        object.__setattr__(self, "_steps", list(zip(*steps, strict=True)))

    @classmethod
    def of_vector(cls, vector: GuidanceVector, edit_threshold: float) -> "SparseSteps":
        """m_t of each recorded step at a λ, on the host.

        Raises:
            InvalidInputError: λ is looser than recorded.
        """
        steps = vector.shape[0]
        kept, values = vector.kept(edit_threshold)
        place, step = np.divmod(kept, steps)  # the file's order has the step running fastest
        order = np.argsort(step.astype(np.min_scalar_type(steps)), kind="stable")
        return cls(
            torch.Size(vector.shape[1:]),
            torch.from_numpy(place.astype(np.int32)[order]),
            torch.from_numpy(widen(values, vector.dtype)[order]),
            np.bincount(step, minlength=steps).tolist(),
        )

    def to(self, device: torch.device) -> "SparseSteps":
        """The same on a device, by one upload."""
        return SparseSteps(self.shape, self.places.to(device), self.values.to(device), self.counts)

    def add_to(self, total: Tensor, step: int, factor: float) -> None:
        """Add `factor` times the array of a step to a sum, float32, shape (C, *S); it costs a scatter."""
        places, values = self._steps[step]  # type: ignore[attr-defined]
        total.view(-1).index_add_(0, places, factor * values)
