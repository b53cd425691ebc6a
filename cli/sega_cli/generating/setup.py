"""The preparations of everything that generates: load the pipeline, set up its progress bars, find its noise."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sega_cli.printing.report import Report

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline
    from PIL.Image import Image

    from sega_store import InitialNoise, RunFacts

AS_RECORDED = ("num_inference_steps", "guidance_scale", "negative_prompt")


def open_pipeline(model: str, device: str, dtype: str, report: Report) -> "DiffusionPipeline":
    """Load a model, with progress bars if standard error is a terminal.

    Raises:
        InvalidInputError: The device or dtype is unknown.
        PipelineError: The model is unknown, its weights are pickles, or it doesn't fit on the device.
    """
    from sega_vectors import load_pipeline
    from sega_vectors.pipeline.loading import quiet

    if not report.bars:
        quiet()
    pipe = load_pipeline(model_name(model), device=device, dtype=dtype)
    pipe.set_progress_bar_config(disable=not report.bars)
    return pipe


def model_name(model: str) -> str:
    """A model's name as provenance keeps it, valid from any working folder."""
    return str(Path(model).resolve()) if model != "embedded" and Path(model).is_dir() else model


def recorded_call(pipe: "DiffusionPipeline", run: "RunFacts") -> dict[str, Any]:
    """The arguments of a recorded call, except its prompt and noise.

    Raises:
        InvalidInputError: This pipeline doesn't take one of them, or only its hash is known.
    """
    from sega_vectors.pipeline.call import recorded_arguments

    as_recorded = {key: value for key in AS_RECORDED if (value := getattr(run, key)) is not None}
    return {**recorded_arguments(pipe, run.arguments), **as_recorded}


def check_prompts(pipe: "DiffusionPipeline", prompts: Iterable[str], arguments: Mapping[str, Any]) -> None:
    """Refuse a call with a prompt or negative prompt that the text encoder would truncate.

    Raises:
        InvalidInputError: A prompt is too long.
    """
    from sega_vectors import check_prompt

    for text in filter(None, (*prompts, arguments.get("negative_prompt"))):
        check_prompt(pipe, text)


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


def first_picture(pipe: "DiffusionPipeline", result: Any) -> "Image":
    """The first picture of a pipeline's result.

    Raises:
        PipelineError: The pipeline makes something else, such as a video.
    """
    from sega_store import PipelineError

    if not hasattr(result, "images"):
        raise PipelineError(
            f"the command line records and writes pictures, and {type(pipe).__name__} makes {', '.join(result)}: use"
            " Recorder and Applier in Python"
        )
    picture: Image = result.images[0]
    return picture


def draw_noise(pipe: "DiffusionPipeline", shape: tuple[int, ...], seed: int) -> "InitialNoise":
    """The initial noise that a pipeline draws for one sample of shape (C, *S) from `generator(seed)`."""
    from sega_vectors.latents.noise import draw
    from sega_vectors.pipeline.denoiser import find_denoiser

    return draw(shape, seed, next(find_denoiser(pipe).parameters()).dtype)
