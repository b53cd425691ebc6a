"""What a model folder may hold, checked before diffusers and transformers load it.

Both libraries let the folder itself say which files and classes are loaded. `use_safetensors=True` only chooses among a
component's own files: an index of shards may still name a pickle, a nested pipeline is loaded without that option, an
adapter brings weights of its own, and a configuration may name code. So the folder's indexes and configurations are
read first, and only classes of the two libraries and weights in safetensors are let through.
"""

import inspect
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import diffusers
import transformers
from diffusers import DiffusionPipeline, ModelMixin, SchedulerMixin
from diffusers.pipelines.pipeline_loading_utils import get_class_obj_and_candidates
from torch import nn
from transformers.feature_extraction_utils import FeatureExtractionMixin
from transformers.image_processing_base import ImageProcessingMixin

from sega_store import PipelineError

INDEX = "model_index.json"
_KINDS = (
    ModelMixin, SchedulerMixin, transformers.PreTrainedModel, transformers.PreTrainedTokenizerBase,
    FeatureExtractionMixin, ImageProcessingMixin, transformers.ProcessorMixin,
)  # fmt: skip
_PICKLES = {".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle"}
_CODE = {"auto_map", "trust_remote_code", "custom_pipeline"}
_OTHER = "use a model that consists of diffusers' and transformers' own classes"
_CONVERT = "convert with pipe.save_pretrained(..., safe_serialization=True)"


def check_folder(folder: Path) -> None:
    """Check a model folder in diffusers' format, all of it.

    Raises:
        PipelineError: It isn't such a folder, its weights aren't safetensors, or it would run code or read files of
            its own choice when it is loaded.
    """
    if not (folder / INDEX).is_file():
        raise PipelineError(f"a model folder must hold {INDEX}, {folder} does not: point at a diffusers folder")
    components = check_index(folder / INDEX)
    check_files(folder)
    for name, component in components.items():
        if issubclass(component, nn.Module):
            _check_weights(folder / name if (folder / name).is_dir() else folder)


def check_files(folder: Path) -> None:
    """Check the files of a model folder, whatever library's format it has.

    Raises:
        PipelineError: One of them is code, or leads to code, to pickles or out of the folder.
    """
    for path in sorted(folder.rglob("*")):
        _check_path(path, folder)


def check_index(file: Path) -> Mapping[str, type]:
    """Check a `model_index.json`; returns the class of each component that it names.

    Raises:
        PipelineError: It names anything but classes that diffusers and transformers load, or leaves one out.
    """
    index = _read(file)
    pipeline = _attribute(diffusers, index.get("_class_name"))
    if not _is_a(pipeline, DiffusionPipeline):
        raise PipelineError(
            f"_class_name in {file} must be a pipeline of diffusers {diffusers.__version__}, met"
            f" {_short(index.get('_class_name'))}: {_OTHER}, or install what it needs"
        )
    if "prompt" not in inspect.signature(pipeline.__call__).parameters:
        raise PipelineError(f"a model must take a prompt, {pipeline.__name__} takes none: use a text-to-image model")
    if pipeline._load_connected_pipes:
        raise PipelineError(
            f"a model must be complete, {file} is a {pipeline.__name__}, which loads another model that its README"
            " names: use the prior or the decoder alone"
        )
    found = {}
    for name, parameter in list(inspect.signature(pipeline.__init__).parameters.items())[1:]:
        optional = name in pipeline._optional_components
        entry = index.get(name, [None, None] if optional else None)
        if (optional and entry == [None, None]) or not (optional or parameter.default is parameter.empty):
            continue  # a component that is left out, or a plain value
        if not (isinstance(entry, list) and len(entry) == 2 and all(isinstance(word, str) for word in entry)):
            raise PipelineError(
                f"{file} must give {name} as [library, class], met {_short(entry)}: a {pipeline.__name__} needs it;"
                " save the model again with pipe.save_pretrained(...)"
            )
        found[name] = _component(file, name, *entry)
    return found


def _component(file: Path, name: str, library: str, class_name: str) -> type:
    """The class of a component, found by the function that diffusers itself finds it by."""
    nested = inspect.ismodule(_attribute(diffusers.pipelines, library))
    component: Any = None
    if nested or library in ("diffusers", "transformers"):
        with suppress(AttributeError, ImportError, RuntimeError, ValueError):  # there is no such class
            component, _ = get_class_obj_and_candidates(library, class_name, {}, diffusers.pipelines, nested)
    if not _is_a(component, _KINDS):
        raise PipelineError(
            f"{name} in {file} must be a model, scheduler, tokenizer or processor of diffusers or transformers, met"
            f" {_short([library, class_name])}: {_OTHER}, or install what it needs"
        )
    found: type = component
    return found


def _check_path(path: Path, folder: Path) -> None:
    """Check one file or subfolder by its name and, if it says what is loaded, its content."""
    name = path.name.lower()
    if path.is_symlink() and not _is_own(path.resolve(), folder.resolve()):
        raise PipelineError(f"a model folder must hold its own files, {path} is a link out of it: copy the file there")
    if not path.is_file():
        if not path.is_dir():
            raise PipelineError(f"a model folder must hold files and folders only, met {path}: remove it")
    elif path.suffix.lower() == ".py":
        raise PipelineError(f"a model must not bring code of its own, met {path}: {_OTHER}, or remove the file")
    elif name == "adapter_config.json":
        raise PipelineError(
            f"an adapter names weights, and a base model to fetch, met {path}: merge it into the model and save that"
        )
    elif name.endswith(".json") and ".index" in name and ".bin.index" not in name:  # use_safetensors never opens those
        _check_shards(path)
    elif name.endswith(".json") and "config" in name:
        _check_config(path)


def _is_own(target: Path, folder: Path) -> bool:
    """Whether a link's target belongs to the folder: lies in it or, for a snapshot of the Hub's cache, in its blobs."""
    cached = folder.parent.name == "snapshots" and target.parent == folder.parents[1] / "blobs"
    return cached or target.is_relative_to(folder)


def _check_shards(file: Path) -> None:
    shards = _read(file).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise PipelineError(f"weight_map in {file} must name the weights' shards, met {_short(shards)}: {_CONVERT}")
    for shard in shards.values():
        plain = isinstance(shard, str) and not set(shard) & set("/\\:\0") and shard.endswith(".safetensors")
        if not plain or not (file.parent / shard).is_file():
            raise PipelineError(
                f"weights must be safetensors, since a pickle can run code when it is loaded; {file} must name"
                f" .safetensors files beside itself, met {_short(shard)}: {_CONVERT}"
            )


def _check_config(file: Path) -> None:
    for key, value in _pairs(_read(file)):
        if (key in _CODE and value) or ("attn_implementation" in key and "/" in str(value)):  # a kernel of the Hub
            raise PipelineError(f"a model must not name code, met {key} {_short(value)} in {file}: {_OTHER}")
        safe = str(value).endswith((".safetensors", ".safetensors.index.json"))
        if key == "transformers_weights" and value is not None and not safe:
            raise PipelineError(f"weights must be safetensors, met {key} {_short(value)} in {file}: {_CONVERT}")


def _check_weights(part: Path) -> None:
    if any(part.glob("*.safetensors")):
        return
    if pickles := sorted(path.name for path in part.iterdir() if path.suffix in _PICKLES):
        raise PipelineError(
            f"weights must be safetensors, since a pickle can run code when it is loaded; {part} has"
            f" {', '.join(pickles[:3])}: {_CONVERT}"
        )
    raise PipelineError(f"a component's folder must hold its weights as .safetensors, {part} has none: copy them there")


def _read(file: Path) -> dict[str, Any]:
    """The JSON object in a file."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PipelineError(f"{file} must be JSON, met {_short(str(error))}: copy or download it again") from error
    if not isinstance(content, dict):
        raise PipelineError(f"{file} must be a JSON object, met {_short(content)}: copy or download it again")
    return content


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """All keys with their values in JSON, however deep."""
    if isinstance(value, dict):
        yield from value.items()
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _pairs(part)


def _attribute(module: Any, name: Any) -> Any:
    try:
        return getattr(module, name, None) if isinstance(name, str) and name.isidentifier() else None
    except (ImportError, RuntimeError):  # a package that it needs isn't installed
        return None


def _is_a(found: Any, kinds: Any) -> bool:
    return isinstance(found, type) and issubclass(found, kinds)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"
