"""The dtype that a model is loaded in."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import safe_open

from sega_store import InvalidInputError
from sega_vectors.pipeline.denoiser import DENOISERS

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_HALVES = {"F16": "float16", "BF16": "bfloat16"}  # as safetensors calls them


def check_dtype(dtype: str) -> None:
    """Check the name of a dtype, `auto` included.

    Raises:
        InvalidInputError: There is no such dtype.
    """
    if dtype != "auto" and dtype not in DTYPES:
        raise InvalidInputError(f"dtype must be auto, {', '.join(DTYPES)}, met {dtype!r}")


def best_dtype(checkpoint: Path, folder: Path, variant: str | None = None) -> str:
    """The name of the dtype for a model on an accelerator: the one that its denoiser's weights are stored in, if that
    is half precision; else the one that such denoisers run well in, bfloat16 for transformers and float16 for U-Nets.

    Args:
        checkpoint: Where the weights are: a file, or the model's folder.
        folder: The model's folder, or that of the configurations of a file.
        variant: Which of several weights, such as `fp16`.
    """
    name = next((name for name in DENOISERS if (folder / name).is_dir()), "")
    weights = [checkpoint] if checkpoint.is_file() else _weights(folder / name, variant)
    stored = _HALVES.get(_commonest(weights) or "")
    return stored or ("bfloat16" if "transformer" in name else "float16")


def _weights(folder: Path, variant: str | None) -> list[Path]:
    """The weights' files in a component's folder: `model.safetensors`, `model.fp16-00001-of-00002.safetensors`."""
    files = sorted(folder.glob("*.safetensors"))
    of_variant = [file for file in files if file.stem.partition(".")[2].partition("-")[0] == (variant or "")]
    return of_variant or files


def _commonest(files: Iterable[Path]) -> str | None:
    """The dtype that most of the tensors have, as safetensors calls it; None without tensors."""
    found: Counter[str] = Counter()
    for file in files:
        with safe_open(file, "pt") as tensors:
            found.update(tensors.get_slice(key).get_dtype() for key in tensors.keys())  # noqa: SIM118
    return max(found, key=found.__getitem__, default=None)
