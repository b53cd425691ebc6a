"""Injection at the scheduler: the one place that every pipeline passes its final noise prediction through.

It is also where the progress of any pipeline can be followed.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from diffusers import DiffusionPipeline
from torch import Tensor

from sega_store import PipelineError
from sega_vectors.pipeline.patching import overridden
from sega_vectors.pipeline.run_check import RunCheck
from sega_vectors.pipeline.turns import in_call_of

Guide = Callable[[Tensor, Any, Tensor], Tensor]  # (model_output, timestep, sample) to what the scheduler gets instead
Follower = Callable[[int, int, Tensor], None]

_TAKEN = ("model_output", "timestep", "sample")


@contextmanager
def guided_steps(
    pipe: DiffusionPipeline, begin: Callable[[Tensor, Any, Tensor], Guide], check: RunCheck
) -> Iterator[None]:
    """Replace the model output of every `scheduler.step` by what a guide makes of it, until the block ends.

    Args:
        pipe: The pipeline; only steps of its calls in this thread are guided.
        begin: Is given what the first step is given, before it, and returns the guide.
        check: Looks at every step.

    Raises:
        PipelineError: The scheduler's step takes no model output, timestep and sample by these names.
    """
    scheduler = pipe.scheduler
    signature = inspect.signature(type(scheduler).step)
    if missing := [name for name in _TAKEN if name not in signature.parameters]:
        raise PipelineError(
            f"a scheduler's step must take {', '.join(_TAKEN)}, {type(scheduler).__name__} lacks"
            f" {', '.join(missing)}: use another scheduler"
        )
    place = [*signature.parameters].index(_TAKEN[0]) - 1
    guide: Guide | None = None

    def guided(step: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        nonlocal guide
        if not in_call_of(pipe):
            return step(*args, **kwargs)
        arguments = signature.bind(scheduler, *args, **kwargs).arguments
        given = tuple(arguments[name] for name in _TAKEN)
        if guide is None:
            check.begin(pipe, given[1])
            guide = begin(*given)
        model_output = guide(*given)
        if _TAKEN[0] in kwargs:
            kwargs[_TAKEN[0]] = model_output
        else:
            args = (*args[:place], model_output, *args[place + 1 :])
        output = step(*args, **kwargs)
        check.step(given[1], model_output, _tensors(output)[0])
        return output

    with overridden(scheduler, "step", guided), check.attached(pipe):
        yield


@contextmanager
def followed_steps(scheduler: Any, follow: Follower) -> Iterator[None]:
    """Call `follow(step, num_steps, denoised)` after every `scheduler.step` of this thread, until the block ends.

    `step` counts from 0 in each of the runs within the block. `denoised` is the scheduler's prediction of x_0 where it
    returns one, else the new sample. What `follow` raises ends the run.
    """
    number = 0

    def followed(step: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        nonlocal number
        output = step(*args, **kwargs)
        results = _tensors(output)
        count = len(scheduler.timesteps)
        at, number = number, (number + 1) % count  # the last step of a run is followed by the first of the next
        follow(at, count, [result for result in results[:2] if result.shape == results[0].shape][-1])
        return output

    with overridden(scheduler, "step", followed):
        yield


def _tensors(output: Any) -> list[Tensor]:
    """The tensors in a step's output, the new sample first."""
    results = output if isinstance(output, tuple) else tuple(output.values())
    return [result for result in results if isinstance(result, Tensor)]
