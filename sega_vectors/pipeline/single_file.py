"""Checkpoints in one file, as they are shared outside the Hub: weights alone, of all parts of a model.

Diffusers tells by the weights' names which model the checkpoint is of. The configurations of its parts, and the
tokenizers, come from that model's folder on the Hugging Face Hub: from the Hub's cache, or fetched into it.
"""

from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import DiffusionPipeline
from diffusers.loaders.single_file_utils import fetch_diffusers_config, load_single_file_checkpoint
from huggingface_hub import snapshot_download

from sega_store import PipelineError
from sega_vectors.pipeline.model_folder import INDEX, check_files, check_index

_CONFIGS = ["*.json", "*.txt", "*.model"]


def is_single_file(name_or_path: str) -> bool:
    """Whether a model's name is that of a file on this machine."""
    return Path(name_or_path).is_file()


def fetch_configuration(file: Path) -> Path:
    """The folder of the configurations that a checkpoint needs, on this machine by now, once it was checked.

    Raises:
        PipelineError: The file isn't safetensors, or the folder isn't here and can't be fetched, or isn't safe.
    """
    if file.suffix != ".safetensors":
        raise PipelineError(
            f"weights must be safetensors, since a pickle can run code when it is loaded; met {file}: take the"
            " .safetensors file of the same model, or convert it"
        )
    repository: str = fetch_diffusers_config(load_single_file_checkpoint(str(file)))["pretrained_model_name_or_path"]
    try:
        folder = Path(snapshot_download(repository, allow_patterns=_CONFIGS))
        check_index(folder / INDEX)
        check_files(folder)
    except PipelineError:
        raise
    except Exception as error:
        raise PipelineError(
            f"a single file holds weights alone, and {file} looks like {repository}, whose configuration is not on this"
            " machine and could not be fetched from the Hugging Face Hub: load it once with a connection, or use a"
            " folder in diffusers' format"
        ) from error
    return folder


def from_single_file(file: Path, folder: Path, dtype: torch.dtype) -> DiffusionPipeline:
    """Load a checkpoint with the configurations in a folder, which was checked."""
    kind: Any = getattr(diffusers, DiffusionPipeline.load_config(folder)["_class_name"])
    if not hasattr(kind, "from_single_file"):
        raise PipelineError(f"a single file must be of a pipeline that loads one, met {kind.__name__}: use a folder")
    return kind.from_single_file(str(file), config=str(folder), torch_dtype=dtype, local_files_only=True)
