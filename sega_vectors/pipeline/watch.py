"""Watching a pipeline's call: run it up to its first denoiser call, look at what it passes, leave no trace.

What is restored: the caller's generators (copies are used), torch's global random state, the attributes of the
pipeline and of its scheduler. No callback is called, no progress bar shown, nothing logged.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sega_store import InitialNoise, PipelineError
from sega_vectors.latents.noise import found, named
from sega_vectors.latents.packing import Packing, find_packing
from sega_vectors.pipeline.call import PipelineCall
from sega_vectors.pipeline.denoiser import DenoiserCall, execution_device, find_denoiser, find_denoisers, hooked
from sega_vectors.pipeline.draws import Draws
from sega_vectors.pipeline.packings import learning_packings
from sega_vectors.pipeline.patching import overridden


@dataclass(frozen=True)
class Watched:
    """What a pipeline had prepared when it first called its denoiser.

    Attributes:
        call: The denoiser call.
        noises: The initial noise of each sample: what the random generator drew, or the caller's `latents`, before the
            scheduler's `init_noise_sigma`; where neither became the first sample as it is (image to image), that
            sample divided by `init_noise_sigma`.
        packing: How the pipeline packs its samples; None if it hands them on as they are.
        num_steps: How many scheduler steps the run is to take.
    """

    call: DenoiserCall
    noises: list[InitialNoise]
    packing: Packing | None
    num_steps: int


class _Stop(BaseException):
    """Ends a watched call; no pipeline catches it."""


def watch(call: PipelineCall) -> Watched:
    """Run the call up to its first denoiser call, and see what it starts from.

    Raises:
        PipelineError: The call ended without one.
    """
    pipe = call.pipe
    with _scaled(pipe.scheduler) as samples, learning_packings(pipe) as packings, Draws() as draws, _begun(call) as own:
        sample = (samples[0] if samples else own.samples)[: call.num_samples]
        sigma = getattr(pipe.scheduler, "init_noise_sigma", 1.0)
        num_steps = getattr(pipe, "num_timesteps", None) or len(pipe.scheduler.timesteps)
    latents = call.arguments.get("latents")
    packing = find_packing(packings, draws.tensors, sample, sigma)
    if packing is None and latents is not None and hasattr(pipe, "_pack_latents"):  # given in packed form
        packing = watch(call.replace(latents=None)).packing
    noise = found([latents, *draws.tensors], sample, sigma, packing)
    return Watched(own, named(noise, call.noise_generators()), packing, num_steps)


def watch_denoiser(call: PipelineCall) -> DenoiserCall:
    """Run the call up to its first denoiser call, and see only that, which takes less time.

    Raises:
        PipelineError: The call ended without one.
    """
    with _begun(call) as own:
        return own


@contextmanager
def freed(pipe: Any) -> Iterator[None]:
    """Let what offloading moved within the block go back at its end, as a whole run does by itself."""
    try:
        yield
    finally:
        _free(pipe)


@contextmanager
def freed_after_error(pipe: Any) -> Iterator[None]:
    """The same for a block that ends with a whole run, unless an error ends it sooner."""
    try:
        yield
    except BaseException:
        _free(pipe)
        raise


def _free(pipe: Any) -> None:
    if hasattr(pipe, "maybe_free_model_hooks"):
        pipe.maybe_free_model_hooks()


@contextmanager
def _begun(call: PipelineCall) -> Iterator[DenoiserCall]:
    """The first denoiser call of a call that ran up to there; pipeline and scheduler are in that state within."""
    pipe = call.pipe
    calls: list[DenoiserCall] = []

    def stop(_denoiser: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        calls.append(DenoiserCall.of(args, kwargs))
        raise _Stop

    watched = call.replace(generator=_copied(call.arguments.get("generator")))
    if "callback_on_step_end" in call.arguments:
        watched = watched.replace(callback_on_step_end=None)
    with _restored(pipe), hooked(find_denoisers(pipe), stop, pipe=pipe):
        pipe.set_progress_bar_config(disable=True)
        try:
            watched()
        except _Stop:
            pass
        else:
            raise PipelineError(
                f"a run calls its denoiser at least once, this one of {type(pipe).__name__} with"
                f" {call.num_inference_steps} steps never did: check the scheduler and the number of steps"
            )
        yield calls[0]


@contextmanager
def _scaled(scheduler: Any) -> Iterator[list[Tensor]]:
    """The samples that the scheduler is given to scale for the denoiser."""
    samples: list[Tensor] = []
    if not hasattr(scheduler, "scale_model_input"):
        yield samples
        return

    def scaled(scale: Callable[..., Tensor], sample: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        samples.append(sample)
        return scale(sample, *args, **kwargs)

    with overridden(scheduler, "scale_model_input", scaled):
        yield samples


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
def _restored(pipe: Any) -> Iterator[None]:
    """Put the attributes of the pipeline and its scheduler, and torch's random state, back as they were."""
    owners = [pipe, pipe.scheduler]
    before = [dict(vars(owner)) for owner in owners]
    # noise is drawn on the pipeline's device, which under offloading isn't the denoiser's
    devices = {torch.device(pipe._execution_device), execution_device(find_denoiser(pipe))}
    try:
        with _unlogged(), ExitStack() as forked:
            forked.enter_context(torch.random.fork_rng(devices=[]))
            for device in devices:
                if device.type == "mps":
                    forked.callback(torch.mps.set_rng_state, torch.mps.get_rng_state())
                elif device.type != "cpu":
                    forked.enter_context(torch.random.fork_rng(devices=[device], device_type=device.type))
            yield
    finally:
        for owner, attributes in zip(owners, before, strict=True):
            vars(owner).update(attributes)
            for name in vars(owner).keys() - attributes.keys():
                del vars(owner)[name]


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep back what diffusers logs in this thread; it comes again in the run."""
    thread = threading.get_ident()

    def of_others(record: logging.LogRecord) -> bool:
        return threading.get_ident() != thread or not record.name.startswith("diffusers")

    handlers = [*logging.getLogger("diffusers").handlers, *logging.getLogger().handlers]
    for handler in handlers:
        handler.addFilter(of_others)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(of_others)
