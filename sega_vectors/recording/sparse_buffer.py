"""The kept entries of a run, carried from the device to the host without making either wait."""

import math
from collections import deque
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sega_vectors.latents.tensors import as_numpy, dtype_name


class SparseBuffer:
    """Collects m_t of every step.

    On a CUDA device each step's m_t goes to pinned host memory behind the run's own work; what has arrived is reduced
    to its entries when the next step comes, so few dense steps exist at once. Other devices than the CPU keep them
    until the end. Then the host waits, once.
    """

    def __init__(self) -> None:
        self._arriving: deque[tuple[torch.cuda.Event | None, Tensor]] = deque()
        self._steps: list[tuple[list[NDArray[np.int64]], list[NDArray[Any]]]] = []  # places and values, a vector each
        self._shape: tuple[int, ...] = ()
        self._dtype = torch.float32

    def append(self, kept: Tensor) -> None:
        """Add one step's m_t, shape (B, k, C, *S), zeros where nothing is kept."""
        self._shape, self._dtype = tuple(kept.shape), kept.dtype
        arrived = None
        if kept.is_cuda:
            pinned = torch.empty(kept.shape, dtype=kept.dtype, device="cpu", pin_memory=True)
            host = pinned.copy_(kept, non_blocking=True)
            arrived = torch.cuda.current_stream(kept.device).record_event()
            kept = host
        self._arriving.append((arrived, kept))
        self._reduce_arrived(wait=False)

    @property
    def dtype(self) -> str:
        """The dtype of the values, as a vector names it."""
        return dtype_name(self._dtype)

    def vector(self, sample: int, concept: int) -> tuple[NDArray[np.bool_], NDArray[Any]]:
        """What was kept for a sample and concept.

        Returns:
            The support, shape (T, C, *S), and the values in the order (C, *S, T).
        """
        self._reduce_arrived(wait=True)
        number = sample * self._shape[1] + concept
        steps = len(self._steps)
        places = [step_places[number] for step_places, _ in self._steps]
        support = np.zeros((steps, math.prod(self._shape[2:])), np.bool_)
        for step, of_step in enumerate(places):
            support[step, of_step] = True
        step_of = np.repeat(np.arange(steps), [len(p) for p in places])
        order = np.lexsort((step_of, np.concatenate(places)))
        values = np.concatenate([step_values[number] for _, step_values in self._steps])[order]
        return support.reshape(steps, *self._shape[2:]), values

    def _reduce_arrived(self, wait: bool) -> None:
        while self._arriving:
            arrived, kept = self._arriving[0]
            if kept.device.type != "cpu" and not wait:
                return
            if arrived is not None and not wait and not arrived.query():  # type: ignore[no-untyped-call]
                return
            if arrived is not None:
                arrived.synchronize()
            self._arriving.popleft()
            self._reduce(kept)

    def _reduce(self, kept: Tensor) -> None:
        shape = math.prod(kept.shape[:2]), -1
        rows, nonzero = as_numpy(kept).reshape(shape), as_numpy(kept != 0).reshape(shape)
        places = [np.flatnonzero(row) for row in nonzero]
        self._steps.append((places, [row[of_row] for row, of_row in zip(rows, places, strict=True)]))
