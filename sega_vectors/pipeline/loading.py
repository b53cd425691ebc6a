"""Loading a model: the embedded one, one from the Hugging Face Hub, or one from a folder. Safetensors only."""

import logging
from pathlib import Path

import torch
from diffusers import DiffusionPipeline

from sega_store import InvalidInputError, PipelineError

EMBEDDED = Path(__file__).parents[1] / "embedded" / "model"

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


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
    """The name of the dtype that `load_pipeline` gives a model.

    Raises:
        InvalidInputError: Unknown device or dtype.
    """
    place = device_of(device)
    if dtype == "auto":
        return "float32" if name_or_path == "embedded" or place.type == "cpu" else "float16"
    if dtype not in DTYPES:
        raise InvalidInputError(f"dtype must be auto, {', '.join(DTYPES)}, met {dtype!r}")
    return dtype


def load_pipeline(name_or_path: str = "embedded", device: str = "auto", dtype: str = "auto") -> DiffusionPipeline:
    """Load a text-to-image pipeline.

    Args:
        name_or_path: `embedded` for the model that comes with the package, a Hub id, or a folder in diffusers' format.
        device: A torch device, or `auto` for the best there is.
        dtype: `float32`, `float16`, `bfloat16`, or `auto`: float16 on CUDA and MPS, float32 elsewhere; the embedded
            model is always float32 then.

    Raises:
        InvalidInputError: Unknown device or dtype.
        PipelineError: No such model, or weights that are not safetensors (a pickle can run code when it is loaded).
    """
    place, precision = device_of(device), DTYPES[dtype_of(name_or_path, device, dtype)]
    embedded = name_or_path == "embedded"
    source = str(EMBEDDED) if embedded else name_or_path
    try:
        pipe = DiffusionPipeline.from_pretrained(source, dtype=precision, use_safetensors=True)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise PipelineError(_explain(name_or_path, error)) from error
    if embedded:
        pipe.register_to_config(_name_or_path="embedded")
    try:
        return pipe.to(place)
    except (RuntimeError, AssertionError) as error:
        raise PipelineError(f"the model must fit on an available device, met {place}: {_first_line(error)}") from error


def quiet() -> None:
    """Silence the progress bars and notices of the libraries that load models."""
    import diffusers.utils.logging
    import transformers.utils.logging

    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
        library.utils.logging.set_verbosity_error()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


def _explain(name_or_path: str, error: Exception) -> str:
    folder = Path(name_or_path)
    if folder.is_dir():
        if not (folder / "model_index.json").is_file():
            return f"a model folder must hold model_index.json, {folder} does not: point at a diffusers folder"
        pickles = sorted(p.relative_to(folder) for s in ("*.bin", "*.ckpt", "*.pt", "*.pth") for p in folder.rglob(s))
        if pickles:
            return (
                f"weights must be safetensors, since a pickle can run code when it is loaded; {folder} has"
                f" {', '.join(map(str, pickles[:3]))}: convert with pipe.save_pretrained(..., safe_serialization=True)"
            )
    return (
        f"a model is 'embedded', a folder in diffusers' format, or an id on the Hugging Face Hub with safetensors;"
        f" {name_or_path!r} could not be loaded: {_first_line(error)}"
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
