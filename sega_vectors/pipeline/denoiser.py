"""The denoisers of a pipeline, their calls, and hooks on them that live as long as a `with` block."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DiffusionPipeline
from diffusers.utils import BaseOutput
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from sega_store import PipelineError
from sega_vectors.pipeline.patching import overridden
from sega_vectors.pipeline.turns import in_call_of

DENOISERS = ("unet", "transformer", "transformer_2", "prior")

PreHook = Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]] | None]
PostHook = Callable[[Any], Any]


def find_denoisers(pipe: DiffusionPipeline) -> list[nn.Module]:
    """The networks that predict the noise: the components called `unet`, `transformer`, `transformer_2` or `prior`.

    Most pipelines have one; Wan 2.2 has one for high noise and one for low.

    Raises:
        PipelineError: The pipeline has none of them, or its weights are elsewhere, as under sequential offloading.
    """
    modules = [module for name in DENOISERS if isinstance(module := getattr(pipe, name, None), nn.Module)]
    if not modules:
        raise PipelineError(
            f"a denoiser is a component named {', '.join(DENOISERS)}; {type(pipe).__name__} has"
            f" {', '.join(sorted(pipe.components))}: use a pipeline with one of them"
        )
    if any(next(module.parameters()).is_meta for module in modules):
        raise PipelineError(
            "a denoiser's weights must be there to be told from others', met some on the meta device: use"
            " enable_model_cpu_offload() or enable_group_offload() instead of enable_sequential_cpu_offload()"
        )
    return modules


def find_denoiser(pipe: DiffusionPipeline) -> nn.Module:
    """The first of the pipeline's denoisers, which makes the first prediction."""
    return find_denoisers(pipe)[0]


def execution_device(denoiser: nn.Module) -> torch.device:
    """Where the denoiser runs: its own device, or the one that offloading moves it to for a call."""
    device = getattr(getattr(denoiser, "_hf_hook", None), "execution_device", None)
    return next(denoiser.parameters()).device if device is None else torch.device(device)


@dataclass(frozen=True)
class DenoiserCall:
    """The arguments of one denoiser call.

    Attributes:
        sample: The noisy samples that it is asked about: its first argument, a tensor of rows or a list of them.
        leaves: All leaves of (args, kwargs), as a pytree.
        spec: The pytree's structure.
    """

    sample: Any
    leaves: list[Any]
    spec: pytree.TreeSpec

    @classmethod
    def of(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> "DenoiserCall":
        """Take a call apart."""
        leaves, spec = pytree.tree_flatten((args, kwargs))
        return cls(args[0] if args else next(iter(kwargs.values())), leaves, spec)

    @property
    def listed(self) -> bool:
        """Whether the rows are the elements of lists rather than of a tensor's first dimension."""
        return isinstance(self.sample, list | tuple)

    @property
    def rows(self) -> int:
        """How many samples the denoiser is asked about."""
        return len(self.sample)

    @property
    def samples(self) -> Tensor:
        """The noisy samples, a row each."""
        return torch.stack(list(self.sample)) if self.listed else self.sample

    def row_of(self, place: int) -> int | None:
        """The row that a leaf is alone about: its place in a list of `rows` elements; None for other leaves."""
        if not self.listed:
            return None
        holder: Any = pytree.tree_unflatten(self.leaves, self.spec)
        *outer, key = pytree.tree_flatten_with_path(holder)[0][place][0]
        for step in outer:
            holder = step.get(holder)
        # the arguments themselves, which `outer` of one step leads to, are no list of rows
        in_rows = len(outer) > 1 and isinstance(holder, list | tuple) and len(holder) == self.rows
        return key.idx if in_rows and isinstance(key, pytree.SequenceKey) else None

    def with_leaves(self, changes: Mapping[int, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Its (args, kwargs) with some leaves replaced, by place."""
        leaves = [changes.get(place, leaf) for place, leaf in enumerate(self.leaves)]
        result: tuple[tuple[Any, ...], dict[str, Any]] = pytree.tree_unflatten(leaves, self.spec)
        return result


def predictions(output: Any) -> Tensor:
    """The prediction for each row in a denoiser's output, whether a tuple, a model output, a list or a tensor."""
    found = output if isinstance(output, Tensor) else output[0]
    return torch.stack(list(found)) if isinstance(found, list | tuple) else found


@contextmanager
def hooked(
    denoisers: Sequence[nn.Module],
    before: PreHook,
    after: PostHook | None = None,
    pipe: DiffusionPipeline | None = None,
) -> Iterator[None]:
    """Call `before(denoiser, args, kwargs)` and `after(output)` around each forward call, until the block ends.

    Torch's own hooks, since they survive `enable_model_cpu_offload` and other hooks coming and going; around the
    compiled call of a denoiser that was compiled in place, which would trace hooks too.

    Args:
        denoisers: The networks.
        before: May return other (args, kwargs).
        after: May return another output.
        pipe: Only calls that this pipeline makes are hooked; None: all that this thread makes. Calls from within a
            hooked call never are.
    """
    hooks = _Hooks(before, after, pipe)
    with ExitStack() as attached:
        for denoiser in denoisers:
            if denoiser._compiled_call_impl is None:
                attached.callback(denoiser.register_forward_pre_hook(hooks.enter, with_kwargs=True).remove)
                attached.callback(denoiser.register_forward_hook(hooks.leave, always_call=True).remove)
            else:
                attached.enter_context(overridden(denoiser, "_compiled_call_impl", hooks.around(denoiser)))
        yield


class _Hooks:
    """Two hooks that act on the calls that they belong to, and let all others through."""

    def __init__(self, before: PreHook, after: PostHook | None, pipe: DiffusionPipeline | None) -> None:
        self._before, self._after, self._pipe = before, after, pipe
        self._thread = threading.get_ident()
        self._depth = 0

    def enter(
        self, denoiser: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        # torch attaches a hook and its wish for kwargs one after the other, so other threads may call it without
        if kwargs is None or not self._belongs():
            return None
        if self._depth:
            self._depth += 1
            return None
        changed = self._before(denoiser, args, kwargs)
        self._depth = 1  # what `before` raises ends the call before it is entered
        return changed

    def leave(self, _denoiser: nn.Module, _args: Any, output: Any) -> Any:
        if not self._depth or not self._belongs():
            return None
        self._depth -= 1
        raised = output is None
        return None if self._depth or raised or self._after is None else self._after(output)

    def around(self, denoiser: nn.Module) -> Callable[..., Any]:
        """The same around a compiled call."""

        def call(compiled: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            args, kwargs = self.enter(denoiser, args, kwargs) or (args, kwargs)
            output = None
            try:
                output = compiled(*args, **kwargs)
            finally:
                changed = self.leave(denoiser, args, output)
            return output if changed is None else changed

        return call

    def _belongs(self) -> bool:
        return threading.get_ident() == self._thread and (self._pipe is None or in_call_of(self._pipe))


def with_rows(tree: Any, rows: int, change: Callable[[Tensor], Tensor]) -> Any:
    """Arguments or an output with `change(tensor)` in place of each tensor of so many rows.

    They may stand in nested tuples, lists, dictionaries and outputs of diffusers' models.
    """
    if isinstance(tree, Tensor):
        return change(tree) if tree.ndim and tree.shape[0] == rows else tree
    if type(tree) in (tuple, list):
        return type(tree)(with_rows(part, rows, change) for part in tree)
    if type(tree) is dict:
        return {key: with_rows(part, rows, change) for key, part in tree.items()}
    if isinstance(tree, BaseOutput):
        return type(tree)(**{key: with_rows(part, rows, change) for key, part in tree.items()})
    return tree
