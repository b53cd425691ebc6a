"""Injection at the scheduler: the one place that every pipeline passes its final noise prediction through.

It is also where the progress of any pipeline can be followed.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from sega_vectors.pipeline.patching import replaced

Guide = Callable[[Tensor, Any, Tensor], Tensor]  # (model_output, timestep, sample) to what the scheduler gets instead
Follower = Callable[[int, int, Tensor], None]


@contextmanager
def guided_steps(scheduler: Any, begin: Callable[[Tensor, Any, Tensor], Guide]) -> Iterator[None]:
    """Replace the model output of every `scheduler.step` by what a guide makes of it, until the block ends.

    Args:
        scheduler: The scheduler.
        begin: Is given what the first step is given, before it, and returns the guide.
    """
    step = scheduler.step
    guide: Guide | None = None

    @functools.wraps(step)  # pipelines inspect its signature
    def guided(model_output: Tensor, timestep: Any, sample: Tensor, *args: Any, **kwargs: Any) -> Any:
        nonlocal guide
        if guide is None:
            guide = begin(model_output, timestep, sample)
        return step(guide(model_output, timestep, sample), timestep, sample, *args, **kwargs)

    with replaced(scheduler, "step", guided):
        yield


@contextmanager
def followed_steps(scheduler: Any, follow: Follower) -> Iterator[None]:
    """Call `follow(step, num_steps, denoised)` after every `scheduler.step`, until the block ends.

    `step` counts from 0 in each of the runs within the block. `denoised` is the scheduler's prediction of x_0 where it
    returns one, else the new sample. What `follow` raises ends the run.
    """
    step, number = scheduler.step, 0

    @functools.wraps(step)
    def followed(*args: Any, **kwargs: Any) -> Any:
        nonlocal number
        output = step(*args, **kwargs)
        results = tuple(output) if isinstance(output, tuple) else tuple(output.values())
        count = len(scheduler.timesteps)
        like = [result for result in results[:2] if isinstance(result, Tensor) and result.shape == results[0].shape]
        at, number = number, (number + 1) % count  # the last step of a run is followed by the first of the next
        follow(at, count, like[-1])
        return output

    with replaced(scheduler, "step", followed):
        yield
