"""Watching a pipeline's call: run it up to its first denoiser call, look at what it passes, leave no trace.

What is restored: the caller's generators (copies are used), torch's global random state, the attributes of the
pipeline and of its scheduler. No callback is called, no progress bar shown.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from sega_store import PipelineError
from sega_vectors.call import PipelineCall
from sega_vectors.denoiser import execution_device, find_denoiser, first_tensor, hooked


@dataclass(frozen=True)
class Watched:
    """What a pipeline had prepared when it first called its denoiser.

    Attributes:
        leaves: The leaves of the denoiser's (args, kwargs), as a pytree.
        rows: The number of rows of the denoiser call.
        noise: The initial noise, shape (B, C, *S): what the random generator drew, or the caller's `latents`, before
            the scheduler's `init_noise_sigma`; where neither became the first sample as it is (image to image), that
            sample divided by `init_noise_sigma`.
        timesteps: The scheduler's timesteps.
    """

    leaves: list[Any]
    rows: int
    noise: Tensor
    timesteps: Tensor


class _Stop(BaseException):
    """Ends a watched call; no pipeline catches it."""


class _Draws(TorchFunctionMode):
    """Remembers what `torch.randn` returned, which is where diffusers draws its noise."""

    def __init__(self) -> None:
        super().__init__()
        self.tensors: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.randn:
            self.tensors.append(result)
        return result


def watch(call: PipelineCall) -> Watched:
    """Run the call up to its first denoiser call.

    Raises:
        PipelineError: The call ended without one.
    """
    pipe = call.pipe
    leaves: list[Any] = []
    samples: list[Tensor] = []

    def stop(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        leaves.extend(pytree.tree_leaves((args, kwargs)))
        raise _Stop

    def scale_model_input(sample: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        samples.append(sample)
        scaled: Tensor = type(pipe.scheduler).scale_model_input(pipe.scheduler, sample, *args, **kwargs)
        return scaled

    with _restored(pipe, call), hooked(find_denoiser(pipe), stop), _Draws() as draws:
        pipe.set_progress_bar_config(disable=True)
        if hasattr(pipe.scheduler, "scale_model_input"):
            pipe.scheduler.scale_model_input = scale_model_input
        try:
            call.replace(generator=_copied(call.arguments.get("generator")), callback_on_step_end=None)()
        except _Stop:
            pass
        else:
            raise PipelineError(
                f"a run calls its denoiser at least once, this one of {type(pipe).__name__} with"
                f" {call.num_inference_steps} steps never did: check the scheduler and the number of steps"
            )
        model_input = first_tensor(leaves)
        sample = (samples[0] if samples else model_input)[: call.num_samples]
        sigma = getattr(pipe.scheduler, "init_noise_sigma", 1.0)
        return Watched(
            leaves=leaves,
            rows=model_input.shape[0],
            noise=_initial_noise([call.arguments.get("latents"), *draws.tensors], sample, sigma),
            timesteps=pipe.scheduler.timesteps,
        )


def _initial_noise(candidates: list[Tensor | None], sample: Tensor, sigma: Any) -> Tensor:
    """The candidate that became the first sample, to the bit."""
    drawn = [c for c in candidates if c is not None]
    singles = [c for c in drawn if c.ndim == sample.ndim and c.shape[0] == 1][: sample.shape[0]]
    if len(singles) == sample.shape[0]:  # a generator for each sample
        drawn.append(torch.cat(singles))
    for candidate in drawn:
        if candidate.shape == sample.shape and torch.equal((candidate.to(sample.device) * sigma).to(sample), sample):
            return candidate
    noise: Tensor = sample / sigma
    return noise


def _copied(generator: Any) -> Any:
    """Generators that will draw the same, without the caller's being advanced."""
    if isinstance(generator, list):
        return [_copied(g) for g in generator]
    if generator is None:
        return None
    copy = torch.Generator(device=generator.device)
    copy.set_state(generator.get_state())
    return copy


@contextmanager
def _restored(pipe: Any, call: PipelineCall) -> Iterator[None]:
    """Put the attributes of the pipeline and its scheduler, and torch's random state, back as they were."""
    owners = [pipe, pipe.scheduler]
    before = [dict(vars(owner)) for owner in owners]
    device = execution_device(find_denoiser(pipe))
    cuda = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=cuda):
            yield
    finally:
        if hasattr(pipe, "maybe_free_model_hooks"):
            pipe.maybe_free_model_hooks()
        for owner, attributes in zip(owners, before, strict=True):
            vars(owner).clear()
            vars(owner).update(attributes)
