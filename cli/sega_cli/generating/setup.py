"""The preparations of everything that generates: load the pipeline, set up its progress bars, find its noise."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sega_cli.options import ScaledRef
from sega_cli.printing.confirmation import confirmed
from sega_cli.printing.report import Report
from sega_cli.printing.terminal import clean

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline
    from PIL.Image import Image

    from sega_store import InitialNoise, RunFacts

AS_RECORDED = ("num_inference_steps", "guidance_scale", "negative_prompt")


def open_pipeline(
    model: str,
    device: str,
    dtype: str,
    report: Report,
    *,
    variant: str | None = None,
    scheduler: str | None = None,
    loras: Sequence[ScaledRef] = (),
) -> "DiffusionPipeline":
    """Load a model, with progress bars if standard error is a terminal; the arguments are those of `load_pipeline`.

    Raises:
        InvalidInputError: The device or dtype is unknown, or the scheduler doesn't fit.
        PipelineError: The model is unknown, its weights are pickles, or it doesn't fit on the device.
    """
    from sega_vectors import load_pipeline
    from sega_vectors.pipeline.loading import quiet

    if not report.bars:
        quiet()
    weighted = [(lora.ref, lora.scale) for lora in loras]
    pipe = load_pipeline(model_name(model), device, dtype, variant=variant, scheduler=scheduler, loras=weighted)
    pipe.set_progress_bar_config(disable=not report.bars)
    return pipe


def model_name(model: str) -> str:
    """A model's name as provenance keeps it, valid from any working folder."""
    return str(Path(model).resolve()) if model != "embedded" and Path(model).exists() else model


def recorded_model(recorded: str, fetch: bool) -> str:
    """The model that a vector's file names, unless it would have to be fetched and nobody agrees to that.

    A file may be a stranger's, and nothing vouches for the name in it. A folder that it names is taken, since it is on
    this machine already and is checked as any other when it is loaded.

    Args:
        recorded: The name in the file.
        fetch: Whether it may be fetched without asking.

    Raises:
        PipelineError: It isn't on this machine, and may not be fetched.
    """
    from sega_store import PipelineError

    if fetch or _on_this_machine(recorded):
        return recorded
    refusal = (
        f"a model that only a vector's file names is fetched on request, {recorded[:200]!r} is not on this machine:"
        " choose another with --model, or add --yes to fetch it from the Hugging Face Hub"
    )
    if sys.stdin is not None and sys.stdin.isatty():
        name = clean(recorded[:200])
        question = f"The vector's file says that it was recorded with {name}. Fetch it from the Hugging Face Hub?"
        if confirmed(question, refusal):
            return recorded
    raise PipelineError(refusal)


def _on_this_machine(model: str) -> bool:
    if model.startswith(("//", "\\\\")):
        return False  # on Windows a share, and looking for it would log in to another machine
    if model == "embedded" or os.path.exists(model):  # which is False, too, for what can't be a path
        return True
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(model, "model_index.json"), str)
    except HFValidationError:  # it is no name of the Hub
        return False


def recorded_call(pipe: "DiffusionPipeline", run: "RunFacts", *, image: bool = False) -> dict[str, Any]:
    """The arguments of a recorded call, except its prompt and noise.

    Args:
        pipe: The pipeline of the call to make.
        run: The recorded run.
        image: Whether the picture that the call starts from is given anew.

    Raises:
        InvalidInputError: This pipeline doesn't take one of them, or only its hash is known.
    """
    from sega_store import InvalidInputError
    from sega_vectors.pipeline.call import recorded_arguments

    if "image" in run.arguments and not image:
        raise InvalidInputError(
            "a recording knows the picture that its run started from by its hash alone, met none here: give it again,"
            " with --image"
        )
    arguments = {name: value for name, value in run.arguments.items() if name != "image"}
    as_recorded = {key: value for key in AS_RECORDED if (value := getattr(run, key)) is not None}
    return {**recorded_arguments(pipe, arguments), **as_recorded}


def generator(seed: int) -> "torch.Generator":
    """A fresh generator. On the CPU, so that a seed gives the same noise whatever device the model runs on."""
    import torch

    return torch.Generator("cpu").manual_seed(seed)


@dataclass(frozen=True)
class Start:
    """What a run starts from: the noise of a seed, or a stored one.

    Attributes:
        seed: The seed; ignored if there is a noise.
        noise: The stored noise; None: the seed's.
    """

    seed: int = 0
    noise: "InitialNoise | None" = None

    def arguments(self, pipe: "DiffusionPipeline") -> dict[str, Any]:
        """The arguments of one call of the pipeline only: a used generator draws other numbers.

        If its seed draws the stored noise again, the run gets that generator, since a stochastic sampler goes on
        drawing from it.
        """
        from sega_vectors.latents.noise import as_tensor

        if self.noise is None:
            return {"generator": generator(self.seed)}
        seed = self.noise.seed
        if seed is not None and draw_noise(pipe, self.noise.shape, seed) == self.noise:
            return {"generator": generator(seed)}
        return {"latents": as_tensor(self.noise).unsqueeze(0)}


def starting(starts: Sequence[Start], pipe: "DiffusionPipeline") -> dict[str, Any]:
    """The arguments of one call of the pipeline with a picture from each start; several have seeds."""
    arguments = [start.arguments(pipe) for start in starts]
    return arguments[0] if len(arguments) == 1 else {"generator": [each["generator"] for each in arguments]}


def pictures_of(pipe: "DiffusionPipeline", result: Any) -> "list[Image]":
    """The pictures of a pipeline's result.

    Raises:
        PipelineError: The pipeline makes something else, such as a video.
    """
    from sega_store import PipelineError

    if not hasattr(result, "images"):
        raise PipelineError(
            f"the command line records and writes pictures, and {type(pipe).__name__} makes {', '.join(result)}: use"
            " Recorder and Applier in Python"
        )
    return list(result.images)


@contextmanager
def unwarned() -> Iterator[None]:
    """Keep back numpy's warnings of overflow and NaN: a run that meets them is refused once it is over."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        yield


def draw_noise(pipe: "DiffusionPipeline", shape: tuple[int, ...], seed: int) -> "InitialNoise":
    """The initial noise that a pipeline draws for one sample of shape (C, *S) from `generator(seed)`."""
    from sega_vectors.latents.noise import draw
    from sega_vectors.pipeline.denoiser import find_denoiser

    return draw(shape, seed, next(find_denoiser(pipe).parameters()).dtype)
