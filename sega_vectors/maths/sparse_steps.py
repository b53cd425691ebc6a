"""Guidance as places and values, step by step: on the host, where sums are made, and on a device, where runs are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sega_store import GuidanceVector

Places = NDArray[np.int32]
Values = NDArray[np.float32]


@dataclass(frozen=True)
class SparseSteps:
    """One sparse array of shape (C, *S) a step, on the host.

    Attributes:
        shape: (C, *S).
        places: The flat indices of the entries that aren't 0, in ascending order, one array a step.
        values: Their values.
    """

    shape: tuple[int, ...]
    places: Sequence[Places]
    values: Sequence[Values]

    @classmethod
    def of_vector(cls, vector: GuidanceVector) -> "SparseSteps":
        """m_t of each recorded step."""
        dense = vector.dense().reshape(vector.shape[0], -1)
        places = [np.flatnonzero(of_step).astype(np.int32) for of_step in dense]
        values = [of_step[kept] for of_step, kept in zip(dense, places, strict=True)]
        return cls(vector.shape[1:], places, values)

    @classmethod
    def of_sums(cls, shape: tuple[int, ...], steps: Iterable[Sequence[tuple[float, Places, Values]]]) -> "SparseSteps":
        """Weighted sums.

        Args:
            shape: (C, *S).
            steps: For each step, what is summed: a factor, places and values.
        """
        size = int(np.prod(shape))
        total, touched = np.zeros(size, np.float32), np.zeros(size, np.bool_)
        places, values = [], []
        for summands in steps:
            for factor, at, of in summands:
                total[at] += np.float32(factor) * of
                touched[at] = True
            summed = np.flatnonzero(touched).astype(np.int32)
            places.append(summed)
            values.append(total[summed])
            total[summed], touched[summed] = 0, False
        return cls(shape, places, values)

    def to(self, device: torch.device) -> "DeviceSteps":
        """The same steps on a device, by one upload."""
        return DeviceSteps(self, device)


class DeviceSteps:
    """Sparse steps on a device; making one dense costs a scatter."""

    def __init__(self, steps: SparseSteps, device: torch.device) -> None:
        lengths = [len(places) for places in steps.places]
        self._shape = torch.Size(steps.shape)
        self._places = torch.split(torch.from_numpy(np.concatenate(steps.places)).to(device), lengths)
        self._values = torch.split(torch.from_numpy(np.concatenate(steps.values)).to(device), lengths)

    def dense(self, step: int) -> Tensor:
        """The array of a step, shape (C, *S), float32."""
        places, values = self._places[step], self._values[step]
        flat = torch.zeros(self._shape.numel(), dtype=values.dtype, device=values.device)
        return flat.index_add_(0, places, values).view(self._shape)
