"""The price of a run: how many rows the denoiser is asked for."""

from typing import Any

from diffusers import DiffusionPipeline

from sega_vectors.denoiser import find_denoiser, first_tensor, hooked


class DenoiserRows:
    """Counts what a pipeline's denoiser is asked for: the price of a run.

    Attributes:
        calls: Forward calls.
        rows: Samples over all calls, as the denoiser sees them. A plain run with classifier-free guidance costs two
            per step and picture.
    """

    def __init__(self, pipe: DiffusionPipeline) -> None:
        self.calls = 0
        self.rows = 0
        self._context = hooked(find_denoiser(pipe), self._count)

    def _count(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.calls += 1
        self.rows += first_tensor((args, kwargs)).shape[0]

    def __enter__(self) -> "DenoiserRows":
        self._context.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._context.__exit__(*exception)
