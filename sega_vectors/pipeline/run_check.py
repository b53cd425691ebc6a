"""What is looked at in a guided run, so that nothing is stored or shown of one that failed.

The numbers are looked at where they are; the host asks for the findings once, after the run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from torch import Tensor, nn

from sega_store import PipelineError
from sega_vectors.latents.tensors import as_doubles
from sega_vectors.maths.schedule import FloatArray
from sega_vectors.pipeline.noise_levels import first_step
from sega_vectors.pipeline.turns import in_call_of

DECODED = "the decoded picture"
_REMEDY = "use float32 or bfloat16, a smaller scale, or a scheduler that fits the model's prediction type"


class RunCheck:
    """Follows one run.

    Attributes:
        planned: The timesteps that the run was to take, shape (T,); empty before its first step.
        timesteps: Those that it took.
    """

    def __init__(self) -> None:
        self.planned: FloatArray = np.empty(0)
        self.timesteps: list[Any] = []
        self._finite: dict[str, tuple[Any, Any]] = {}  # whether all was so far, and how often

    @contextmanager
    def attached(self, pipe: DiffusionPipeline) -> Iterator[None]:
        """Look at what the pipeline's decoder makes, until the block ends."""
        decoder = getattr(getattr(pipe, "vae", None), "decoder", None)
        if not isinstance(decoder, nn.Module):
            yield
            return

        def decoded(_decoder: nn.Module, _args: Any, output: Any) -> None:
            if self.timesteps and in_call_of(pipe):
                self.look(DECODED, output if isinstance(output, Tensor) else output[0])

        handle = decoder.register_forward_hook(decoded)
        try:
            yield
        finally:
            handle.remove()

    def begin(self, pipe: DiffusionPipeline, timestep: Any) -> None:
        """Learn which steps the run is to take, before its first."""
        planned = as_doubles(pipe.scheduler.timesteps)
        said = getattr(pipe, "num_timesteps", None)
        first = first_step(pipe.scheduler, timestep, said)
        self.planned = planned[first:] if said is None else planned[first : first + said]

    def look(self, what: str, *tensors: Tensor) -> None:
        """Note whether these are finite; each thing is looked at once a step."""
        so_far, count = self._finite.get(what, (True, 0))
        for tensor in tensors:
            so_far = torch.isfinite(tensor).all() & so_far
        self._finite[what] = so_far, count + so_far

    def step(self, timestep: Any, model_output: Tensor, sample: Tensor) -> None:
        """Look at a step: what the scheduler was given, and the sample that it made."""
        self.look("the guided prediction", model_output)
        self.look("the sample after it", sample)
        self.timesteps.append(timestep)

    def check_finite(self) -> None:
        """Refuse a run that met NaN or infinity.

        Raises:
            PipelineError: It did; the message says at which step and in what.
        """
        failed = {what: int(count) for what, (finite, count) in self._finite.items() if not finite}
        if failed:  # the earliest; at one step, what comes first in it
            what = min(failed, key=lambda name: (name == DECODED, failed[name]))
            where = "the end of the run" if what == DECODED else f"step {failed[what] + 1} of {len(self.planned)}"
            raise PipelineError(f"a run must make finite numbers, at {where} {what} had NaN or infinity: {_REMEDY}")

    def check_whole(self) -> None:
        """Refuse a run that stopped early.

        Raises:
            PipelineError: It did; the message says after which step.
        """
        if len(self.timesteps) < max(len(self.planned), 1):
            raise PipelineError(
                f"a recorded run must make every step, this one stopped after step {len(self.timesteps)} of"
                f" {len(self.planned)}: let it run to its end (a callback may have interrupted it)"
            )
