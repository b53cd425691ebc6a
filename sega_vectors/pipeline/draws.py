"""The random numbers that a pipeline draws before its first denoiser call, its initial noise among them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from sega_store import IncompatibleError


class Draws(TorchFunctionMode):
    """Sees what `torch.randn` returns, which is where diffusers draws its noise.

    Attributes:
        tensors: What was drawn, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tensors: list[Tensor] = []
        self._open = False

    def __enter__(self) -> "Draws":
        self._open = True
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def close(self) -> None:
        """Stop looking: a mode costs time at every call of torch, so a run closes it once its noise is drawn."""
        if self._open:
            self._open = False
            super().__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.randn:
            result = self.drawn(result)
            self.tensors.append(result)
        return result

    def drawn(self, tensor: Tensor) -> Tensor:
        """What the pipeline gets for a drawn tensor."""
        return tensor


class SubstitutedDraws(Draws):
    """Gives a pipeline stored noise for its first draw of that size.

    The generator draws all the same, so what a stochastic sampler draws later is what it would have drawn. It serves
    every pipeline: those without a `latents` argument, and those that draw noise in one form and take it in another.
    """

    def __init__(self, noises: Sequence[Tensor]) -> None:
        """Prepare to substitute.

        Args:
            noises: The initial noise of each sample, each of shape (C, *S).
        """
        super().__init__()
        self._waiting = list(noises)
        self._size = self._waiting[0].numel() if self._waiting else 0

    def drawn(self, tensor: Tensor) -> Tensor:
        """The stored noise for all waiting samples, or for the next, if the size is theirs.

        Raises:
            IncompatibleError: All samples have theirs, and there is one more draw: an image is encoded with random
                numbers of the same size, so it can't be told which draw is the initial noise.
        """
        count = next((n for n in (len(self._waiting), 1) if tensor.numel() == n * self._size), 0)
        if not count:
            return tensor
        if not self._waiting:
            raise IncompatibleError(
                "a run with noise= must draw one noise a sample, this one draws more of that size before its first"
                " step, to encode an image: pass the recorded generator instead, which draws all of it again"
            )
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return torch.stack(taken).reshape(tensor.shape).to(tensor)
