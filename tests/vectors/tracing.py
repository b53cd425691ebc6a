"""A pipeline's run with every call of its denoisers and of its scheduler's `step` written down."""

import functools
import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .families import Family


@dataclass(frozen=True)
class Call:
    """One call of a denoiser: the component's name, its arguments, and its predictions as one tensor of rows."""

    denoiser: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    rows: Tensor


@dataclass
class Step:
    """One step of a run: the denoiser calls before `scheduler.step`, and what that got."""

    calls: list[Call]
    model_output: Tensor = field(init=False)
    timestep: Any = field(init=False)
    sample: Tensor = field(init=False)
    by_keyword: bool = field(init=False)


@dataclass
class Trace:
    """A run: its steps, and its result."""

    steps: list[Step]
    result: Tensor


def trace(family: Family, pipe: Any, **changes: Any) -> Trace:
    """Run the pipeline with the family's arguments and seed 0."""
    with _traced(family, pipe) as steps:
        arguments = {"generator": torch.Generator().manual_seed(0), **family.arguments, **changes}
        result = pipe(**arguments, return_dict=False)[0]
    return Trace(steps[:-1], result)


@contextmanager
def _traced(family: Family, pipe: Any) -> Iterator[list[Step]]:
    steps = [Step([])]
    step = pipe.scheduler.step

    @functools.wraps(step)
    def stepped(*args: Any, **kwargs: Any) -> Any:
        bound = inspect.signature(step).bind(*args, **kwargs).arguments
        for name in ("model_output", "timestep", "sample"):
            setattr(steps[-1], name, bound[name])
        steps[-1].by_keyword = not args
        steps.append(Step([]))
        return step(*args, **kwargs)

    def after(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        prediction = output[0]
        rows = torch.stack(list(prediction)) if family.lists else prediction
        steps[-1].calls.append(Call(name, args, kwargs, rows))

    with ExitStack() as stack:
        for name in family.denoisers:
            hook = functools.partial(lambda name, _, args, kwargs, output: after(name, args, kwargs, output), name)
            stack.enter_context(_removed(getattr(pipe, name).register_forward_hook(hook, with_kwargs=True)))
        pipe.scheduler.step = stepped
        try:
            yield steps
        finally:
            del pipe.scheduler.step


@contextmanager
def _removed(handle: Any) -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()
