"""Attention processors and hooks that others put into a denoiser, and that may count rows, calls or steps.

Prompt-to-prompt and its kin halve the rows and count the calls. So a concept's rows don't join a call that they see,
and the call of a concept's own sees copies of them, in the state that they had before the step.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

from sega_store import PipelineError

_KNOWN = ("accelerate", "diffusers", "peft", "sega_vectors", "torch", "transformers")


def has_foreign_parts(denoiser: nn.Module) -> bool:
    """Whether the denoiser has attention processors, or hooks in its parts, of a library that it isn't from."""
    if foreign_processors(denoiser):
        return True
    parts = [module for module in denoiser.modules() if module is not denoiser]
    hooks = [hook for p in parts for hook in (*p._forward_hooks.values(), *p._forward_pre_hooks.values())]
    return any(_is_foreign(getattr(hook, "__module__", None) or type(hook).__module__) for hook in hooks)


def copied(processors: Mapping[nn.Module, Any]) -> dict[nn.Module, Any]:
    """Copies of processors, which share what the originals share.

    Raises:
        PipelineError: They can't be copied.
    """
    try:
        return dict(zip(processors, copy.deepcopy(list(processors.values())), strict=True))
    except Exception as error:  # a stranger's class may raise anything
        names = ", ".join(sorted({type(processor).__name__ for processor in processors.values()}))
        raise PipelineError(
            f"attention processors of a recorded run must bear to be copied, since a concept's call must not count as"
            f" one of the run's; {names} can't: {error}. Record without them"
        ) from error


@contextmanager
def replaced_processors(processors: Mapping[nn.Module, Any]) -> Iterator[None]:
    """Give modules other processors until the block ends."""
    former = {module: module.processor for module in processors}
    try:
        for module, processor in processors.items():
            module.processor = processor
        yield
    finally:
        for module, processor in former.items():
            module.processor = processor


def foreign_processors(denoiser: nn.Module) -> dict[nn.Module, Any]:
    """The attention processors of another library than those that the denoiser is from, by their modules."""
    found = {module: getattr(module, "processor", None) for module in denoiser.modules()}
    return {m: p for m, p in found.items() if p is not None and _is_foreign(type(p).__module__)}


def _is_foreign(module: str) -> bool:
    return module.partition(".")[0] not in _KNOWN
