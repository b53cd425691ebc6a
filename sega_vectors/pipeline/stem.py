"""The stem of a denoiser: what it computes before a text enters it, computed once for all rows of a sample.

The rows of a recorded call differ in their text alone. Until that enters, the denoiser computes the same for each of
them: in Stable Diffusion 1 and 2 all up to the query of the first cross-attention, 5% of its work. Which submodules
those are is seen in the first step, where they see all rows: they are given the same, and give the same, for all rows
of a sample. From the second step on they see one row of each sample, and what they give is repeated, for one sample
without being copied.

Others have no stem: SDXL's timestep embedding knows the text, and transformers read it in their first block.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from sega_vectors.pipeline.denoiser import with_rows
from sega_vectors.pipeline.patching import replaced

_SAME = 1e-3  # relative; a kernel may round the rows of a batch differently


class Stem:
    """Lets a denoiser's submodules see fewer rows within the calls that are announced to it.

    Args:
        denoiser: The denoiser; one that is compiled, in whole or in parts, is left alone.
        num_samples: B. The rows of a call are groups of B, each with one row of each sample, in the samples' order.
    """

    def __init__(self, denoiser: nn.Module, num_samples: int) -> None:
        self._denoiser = denoiser
        self._num_samples = num_samples
        self._rows = 0
        self._search: _Search | None = None
        self._searched = _is_compiled(denoiser) or torch.is_inference_mode_enabled()
        self._shared = ExitStack()
        self._passed: set[nn.Module] = set()

    def begin(self, rows: int) -> None:
        """A call with so many rows, a multiple of B, begins."""
        self._rows = rows
        self._passed.clear()
        if not self._searched:
            self._search = _Search(self._denoiser, rows, self._num_samples)

    def end(self) -> None:
        """The call is over."""
        self._rows = 0
        if self._search is not None:
            self._search.close()
            for module in self._search.found:
                self._shared.enter_context(replaced(module, "forward", self._computed_once(module)))
            self._search, self._searched = None, True

    def close(self) -> None:
        """Leave the submodules as they were."""
        if self._search is not None:
            self._search.close()
        self._shared.close()

    def _computed_once(self, module: nn.Module) -> Callable[..., Any]:
        forward = module.forward

        def computed_once(*args: Any, **kwargs: Any) -> Any:
            if not self._rows or module in self._passed:  # what is called again may know the text by then
                return forward(*args, **kwargs)
            self._passed.add(module)
            groups = self._rows // self._num_samples
            args, kwargs = with_rows((args, kwargs), self._rows, lambda rows: rows[: self._num_samples])
            return with_rows(forward(*args, **kwargs), self._num_samples, lambda rows: _shared(rows, groups))

        return computed_once


class _Search:
    """Finds the stem while a call with all rows passes through it.

    Args:
        denoiser: The denoiser that is about to be called.
        rows: Those of the call.
        num_samples: B.
    """

    def __init__(self, denoiser: nn.Module, rows: int, num_samples: int) -> None:
        self._rows = rows
        self._num_samples = num_samples
        self._hooks: list[RemovableHandle] = []
        self._given: dict[nn.Module, list[tuple[Tensor, int]]] = {}
        self._made: dict[nn.Module, list[tuple[Tensor, int]]] = {}
        self._seen: set[nn.Module] = set()
        self._follow(denoiser)

    @property
    def found(self) -> list[nn.Module]:
        """The submodules that one row of each sample is enough for, when the call is over."""
        return [module for module, made in self._made.items() if not _written(made)]  # by those who got it

    def close(self) -> None:
        """Look no further."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _follow(self, module: nn.Module) -> None:
        """Look at what a module calls, but for what has no matrix: it rounds all rows alike."""
        for child in module.children():
            if isinstance(child, nn.ModuleList | nn.ModuleDict):
                self._follow(child)
            elif any(weight.ndim > 1 for weight in child.parameters()):
                self._hooks.append(child.register_forward_pre_hook(self._before, with_kwargs=True))
                self._hooks.append(child.register_forward_hook(self._after))

    def _before(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        if module in self._seen:
            return
        self._seen.add(module)
        given = _tensors((args, kwargs), self._rows)
        if given and all(_same(self._groups(rows)) for rows in given):
            self._given[module] = _versions(given)
        elif given and _is_layer(module):
            self.close()  # the text has entered
        else:
            self._follow(module)

    def _after(self, module: nn.Module, _args: Any, output: Any) -> Any:
        """What a submodule gives for rows that are the same becomes the same to the bit."""
        given = self._given.pop(module, None)
        made = _tensors(output, self._rows)
        if given is None or not made or _written(given):
            return None
        changed = None
        if not all(_same(self._groups(rows)) for rows in made):
            if not all(_alike(self._groups(rows)) for rows in made):
                return None
            groups = self._rows // self._num_samples
            changed = with_rows(output, self._rows, lambda rows: _repeated(rows[: self._num_samples], groups))
            made = _tensors(changed, self._rows)
        if all(rows.ndim > 2 for rows in made):  # an embedding is too little
            self._made[module] = _versions(made)
        return changed

    def _groups(self, rows: Tensor) -> Tensor:
        return rows.reshape(-1, self._num_samples, *rows.shape[1:])


def _is_compiled(denoiser: nn.Module) -> bool:
    """Whether hooks on submodules would be traced."""
    return any(m._compiled_call_impl is not None or "_orig_mod" in m._modules for m in denoiser.modules())


def _is_layer(module: nn.Module) -> bool:
    return next(module.children(), None) is None


def _same(groups: Tensor) -> bool:
    return all(torch.equal(group, groups[0]) for group in groups[1:])


def _alike(groups: Tensor) -> bool:
    return bool((groups - groups[:1]).abs().amax() <= _SAME * groups[:1].abs().amax())


def _versions(tensors: list[Tensor]) -> list[tuple[Tensor, int]]:
    return [(tensor, tensor._version) for tensor in tensors]


def _written(versions: list[tuple[Tensor, int]]) -> bool:
    return any(tensor._version != version for tensor, version in versions)


def _repeated(rows: Tensor, groups: int) -> Tensor:
    return torch.cat([rows] * groups)  # faster than `repeat` by half


def _shared(rows: Tensor, groups: int) -> Tensor:
    """The same, but all groups are one memory where they can be: nobody writes into them."""
    return _repeated(rows, groups) if len(rows) > 1 else rows.expand(groups, *rows.shape[1:])


def _tensors(tree: Any, rows: int) -> list[Tensor]:
    """The tensors of so many rows in nested tuples, lists and dictionaries."""
    found: list[Tensor] = []
    with_rows(tree, rows, lambda tensor: found.append(tensor) or tensor)  # type: ignore[func-returns-value]
    return found
