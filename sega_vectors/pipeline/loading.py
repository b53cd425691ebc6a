"""Loading a model: the embedded one, one from the Hugging Face Hub, from a folder or a file. Safetensors only."""

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import torch
from diffusers import DiffusionPipeline
from huggingface_hub import hf_hub_download, model_info

from sega_store import InvalidInputError, PipelineError
from sega_store.errors import first_line
from sega_vectors.pipeline.additions import add_loras, use_scheduler
from sega_vectors.pipeline.denoiser import find_denoisers
from sega_vectors.pipeline.model_folder import INDEX, check_folder, check_index
from sega_vectors.pipeline.precision import DTYPES, best_dtype, check_dtype
from sega_vectors.pipeline.single_file import fetch_configuration, from_single_file, is_single_file

EMBEDDED = Path(__file__).parents[1] / "embedded" / "model"

_loading = threading.Lock()  # one at a time, since it changes a setting of the whole process


def best_device() -> str:
    """`cuda` or `mps` where there is one, else `cpu`."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def device_of(device: str) -> torch.device:
    """A torch device by name, `auto` for the best there is.

    Raises:
        InvalidInputError: There is no such kind.
    """
    try:
        return torch.device(best_device() if device == "auto" else device)
    except RuntimeError:
        raise InvalidInputError(f"device must be auto, cpu, cuda, cuda:N or mps, met {device!r}") from None


def dtype_of(name_or_path: str, device: str, dtype: str) -> str:
    """The name of the dtype that `load_pipeline` gives a model, which is fetched if that must be known for it.

    Raises:
        InvalidInputError: Unknown device or dtype.
        PipelineError: No such model.
    """
    check_dtype(dtype)
    if dtype != "auto":
        return dtype
    if device_of(device).type == "cpu" or name_or_path == "embedded":
        return "float32"
    with _explained(name_or_path):
        return best_dtype(*_fetched(name_or_path, None))


def load_pipeline(
    name_or_path: str = "embedded",
    device: str = "auto",
    dtype: str = "auto",
    *,
    variant: str | None = None,
    scheduler: str | None = None,
    loras: Sequence[tuple[str, float]] = (),
) -> DiffusionPipeline:
    """Load a text-to-image pipeline.

    Args:
        name_or_path: `embedded` for the model that comes with the package, a Hub id, a folder in diffusers'
            format, or a checkpoint in one `.safetensors` file, whose configuration the Hub has.
        device: A torch device, or `auto` for the best there is.
        dtype: `float32`, `float16`, `bfloat16`, or `auto`: float32 on the CPU and for the embedded model; elsewhere
            as the denoiser's weights are stored, if in half precision, else bfloat16 for transformers and float16 for
            U-Nets.
        variant: Which of the model's weights, such as `fp16`, where it has several.
        scheduler: The scheduler to sample with, a class of diffusers that fits the model; None: the model's own.
        loras: LoRAs to load, each with its weight: `.safetensors` files, folders with one, or Hub ids. They need peft.

    Raises:
        InvalidInputError: Unknown device or dtype, or a scheduler that doesn't fit.
        PipelineError: No such model, variant or LoRA; one that would run code or read a pickle, which can run code,
            when it is loaded (`model_folder`); one whose parts are broken, or that makes no pictures of prompts.
    """
    place = device_of(device)
    check_dtype(dtype)
    with _explained(name_or_path):
        checkpoint, folder = _fetched(name_or_path, variant)
        if dtype == "auto":
            full = place.type == "cpu" or name_or_path == "embedded"
            dtype = "float32" if full else best_dtype(checkpoint, folder, variant)
        pipe = _load(checkpoint, folder, DTYPES[dtype], variant)
        _check_pipeline(pipe)
    pipe.register_to_config(_name_or_path=name_or_path)
    if scheduler is not None:
        use_scheduler(pipe, scheduler)
    add_loras(pipe, loras)
    try:
        return pipe.to(place)
    except (RuntimeError, AssertionError) as error:
        raise PipelineError(f"the model must fit on an available device, met {place}: {first_line(error)}") from error


@contextmanager
def _explained(name_or_path: str) -> Iterator[None]:
    """Turn whatever the block raises into a line that says what a model is."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a broken folder makes the libraries raise anything, tokenizers' Rust code a panic
        message = str(error) if isinstance(error, PipelineError) else _explain(name_or_path, error)
        raise PipelineError(" ".join(message.splitlines())) from error


def _fetched(name_or_path: str, variant: str | None) -> tuple[Path, Path]:
    """Where a model's weights are on this machine, a file or a folder, and the folder of its configurations; both were
    checked."""
    if name_or_path == "embedded":
        return EMBEDDED, EMBEDDED
    name_or_path = os.path.expanduser(name_or_path)
    if is_single_file(name_or_path):
        if variant is not None:
            raise PipelineError(f"a single file has one variant of its weights, met {variant!r}: leave it out")
        return Path(name_or_path), fetch_configuration(Path(name_or_path))
    folder = _checked_folder(name_or_path, variant)
    return folder, folder


def _load(checkpoint: Path, folder: Path, dtype: torch.dtype, variant: str | None) -> DiffusionPipeline:
    with _offline():
        if checkpoint.is_file():
            return from_single_file(checkpoint, folder, dtype)
        return DiffusionPipeline.from_pretrained(folder, dtype=dtype, use_safetensors=True, variant=variant)


@contextmanager
def _offline() -> Iterator[None]:
    """Fetch nothing in this process: a folder is whole, whatever its files name."""
    with _loading:
        before = huggingface_hub.constants.HF_HUB_OFFLINE
        huggingface_hub.constants.HF_HUB_OFFLINE = True
        try:
            yield
        finally:
            huggingface_hub.constants.HF_HUB_OFFLINE = before


def quiet() -> None:
    """Silence the progress bars and notices of the libraries that load models."""
    import diffusers.utils.logging
    import transformers.utils.logging

    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
        library.utils.logging.set_verbosity_error()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


def _checked_folder(name_or_path: str, variant: str | None) -> Path:
    """The folder that holds a model, on this machine by now, once it was checked."""
    folder = Path(name_or_path)
    if not folder.exists():
        index = None
        with suppress(Exception):  # where the Hub isn't reached, `download` says so or takes what is cached
            model_info(name_or_path)  # fails at once; hf_hub_download would try again for half a minute
            index = hf_hub_download(name_or_path, INDEX)
        if index:
            check_index(Path(index))  # now, since `download` would run a community pipeline that it names
        folder = Path(DiffusionPipeline.download(name_or_path, use_safetensors=True, variant=variant))
    check_folder(folder)
    return folder


def _check_pipeline(pipe: DiffusionPipeline) -> None:
    """Check that a pipeline has the parts that recording and applying need."""
    kind, parts = type(pipe).__name__, pipe.components
    if not hasattr(parts.get("scheduler"), "step"):
        raise PipelineError(f"a model must have a scheduler, {kind} has none: use another model")
    find_denoisers(pipe)
    for name, part in parts.items():
        config: Any = getattr(part, "config", None)
        if empty := [key for key in ("in_channels", "out_channels", "latent_channels") if getattr(config, key, 1) == 0]:
            raise PipelineError(f"a model must have channels, its {name} has {empty[0]} 0: use another model")
        if name == "unet" and config.out_channels not in (None, config.in_channels, 2 * config.in_channels):
            raise PipelineError(
                f"a text-to-image model must predict the channels that it takes, its {name} takes {config.in_channels}"
                f" and predicts {config.out_channels}, as inpainting models do: use the model that it was made from"
            )
    encoders = {name: part for name, part in parts.items() if name.startswith("text_encoder")}
    used = [name for name, part in encoders.items() if part is not None]
    missing = [name for name in used if parts.get(name.replace("text_encoder", "tokenizer"), pipe) is None]
    if missing or (encoders and not used):
        lack = missing[0].replace("text_encoder", "tokenizer") if missing else next(iter(encoders))
        raise PipelineError(f"a model must read its prompt, this {kind} has no {lack}: use a complete model")


def _explain(name_or_path: str, error: BaseException) -> str:
    return (
        "a model is 'embedded', a folder in diffusers' format, a .safetensors file, or an id on the Hugging Face Hub"
        f" with safetensors; {name_or_path!r} could not be loaded: {first_line(error)}"
    )
