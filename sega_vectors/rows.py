"""The price of a run: how many rows the denoiser is asked for."""

from typing import Any

from diffusers import DiffusionPipeline
from torch import nn

from sega_vectors.denoiser import find_denoiser, first_tensor


class DenoiserRows:
    """Counts what a pipeline's denoiser is asked for, within a `with` block.

    Attributes:
        calls: Forward calls.
        rows: Samples over all calls, as the denoiser sees them. A plain run with classifier-free guidance costs two
            per step and picture.
    """

    def __init__(self, pipe: DiffusionPipeline) -> None:
        self.calls = 0
        self.rows = 0
        self._denoiser = find_denoiser(pipe)

    def __enter__(self) -> "DenoiserRows":
        self._handle = self._denoiser.register_forward_hook(self._count, with_kwargs=True)
        return self

    def __exit__(self, *exception: object) -> None:
        self._handle.remove()

    def _count(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], _output: Any) -> None:
        self.calls += 1
        self.rows += first_tensor((args, kwargs)).shape[0]  # as other hooks have left them
