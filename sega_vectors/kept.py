"""The kept entries of a run, carried from the device to the host without making either wait."""

import torch
from torch import Tensor


class KeptEntries:
    """Collects m_t of every step.

    On a CUDA device each step's entries go to pinned host memory behind the run's own work; the host waits once, when
    the run is over. Elsewhere they already are where they are wanted.
    """

    def __init__(self) -> None:
        self._steps: list[Tensor] = []
        self._device: torch.device | None = None

    def append(self, kept: Tensor) -> None:
        """Add one step's m_t, shape (B, k, C, *S), zeros where nothing is kept."""
        if kept.is_cuda:
            self._device = kept.device
            host = torch.empty(kept.shape, dtype=kept.dtype, pin_memory=True)
            kept = host.copy_(kept, non_blocking=True)
        self._steps.append(kept)

    def on_host(self) -> Tensor:
        """All steps, shape (T, B, k, C, *S), on the CPU."""
        if self._device is not None:
            torch.cuda.synchronize(self._device)
        return torch.stack(self._steps).cpu()
