"""Injection at the scheduler: the one place that every pipeline passes its final noise prediction through."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

StepHook = Callable[[Tensor, Any, Tensor], Tensor]


@contextmanager
def guided_steps(scheduler: Any, guide: StepHook) -> Iterator[None]:
    """Replace the model output of every `scheduler.step` by `guide(model_output, timestep, sample)`.

    The wrapper keeps the signature that pipelines inspect, and is gone when the block ends.
    """
    step, attached = scheduler.step, "step" in vars(scheduler)

    @functools.wraps(step)
    def wrapped(model_output: Tensor, timestep: Any, sample: Tensor, *args: Any, **kwargs: Any) -> Any:
        return step(guide(model_output, timestep, sample), timestep, sample, *args, **kwargs)

    scheduler.step = wrapped
    try:
        yield
    finally:
        if attached:
            scheduler.step = step
        else:
            del scheduler.step
