"""The denoiser of a pipeline, and hooks on it that live as long as a `with` block."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from sega_store import PipelineError

_NAMES = ("unet", "transformer", "prior")

PreHook = Callable[[tuple[Any, ...], dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]] | None]
PostHook = Callable[[Any], Any]


def find_denoiser(pipe: DiffusionPipeline) -> nn.Module:
    """The network that predicts the noise: the component called `unet`, `transformer` or `prior`.

    Raises:
        PipelineError: The pipeline has none of them.
    """
    for name in _NAMES:
        module = getattr(pipe, name, None)
        if isinstance(module, nn.Module):
            return module
    raise PipelineError(
        f"a denoiser is a component named {', '.join(_NAMES)}; {type(pipe).__name__} has"
        f" {', '.join(sorted(pipe.components))}: use a pipeline with one of them"
    )


def execution_device(denoiser: nn.Module) -> torch.device:
    """Where the denoiser runs: its own device, or the one that offloading moves it to for a call."""
    device = getattr(getattr(denoiser, "_hf_hook", None), "execution_device", None)
    return next(denoiser.parameters()).device if device is None else torch.device(device)


@contextmanager
def hooked(denoiser: nn.Module, before: PreHook, after: PostHook | None = None) -> Iterator[None]:
    """Call `before(args, kwargs)` and `after(output)` around each forward call, until the block ends.

    Torch's own hooks, since they survive `enable_model_cpu_offload` and other hooks coming and going.
    """
    handles = [denoiser.register_forward_pre_hook(lambda _, args, kwargs: before(args, kwargs), with_kwargs=True)]
    if after is not None:
        handles.append(denoiser.register_forward_hook(lambda _module, _args, output: after(output)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def slice_rows(output: Any, rows: slice, total: int) -> Any:
    """The given rows of every tensor in a denoiser's output that has `total` rows."""

    def take(leaf: Any) -> Any:
        return leaf[rows] if isinstance(leaf, Tensor) and leaf.ndim > 0 and leaf.shape[0] == total else leaf

    return pytree.tree_map(take, output)


def first_tensor(output: Any) -> Tensor:
    """The noise prediction in a denoiser's output, whether a tuple, a model output or the tensor itself."""
    return next(leaf for leaf in pytree.tree_leaves(output) if isinstance(leaf, Tensor))
