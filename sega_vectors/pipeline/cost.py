"""The price of a run: how many rows the denoiser is asked for."""

from typing import Any

from diffusers import DiffusionPipeline
from torch import nn

from sega_vectors.pipeline.denoiser import DenoiserCall, find_denoisers
from sega_vectors.pipeline.turns import in_call_of


class DenoiserRows:
    """Counts what a pipeline's calls in this thread ask its denoisers for, within a `with` block.

    Attributes:
        calls: Forward calls.
        rows: Samples over all calls, as the denoiser sees them. A plain run with classifier-free guidance costs two
            per step and picture.
    """

    def __init__(self, pipe: DiffusionPipeline) -> None:
        self.calls = 0
        self.rows = 0
        self._pipe, self._denoisers = pipe, find_denoisers(pipe)

    def __enter__(self) -> "DenoiserRows":
        self._handles = [d.register_forward_hook(self._count, with_kwargs=True) for d in self._denoisers]
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _count(self, _module: nn.Module, args: tuple[Any, ...], *kwargs_and_output: Any) -> None:
        if in_call_of(self._pipe):  # else another thread's, perhaps from before torch knew that kwargs are wanted
            self.calls += 1
            self.rows += DenoiserCall.of(args, kwargs_and_output[0]).rows  # as other hooks have left them
