"""What a loaded pipeline can be given before it runs: another scheduler, LoRAs."""

import os
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from diffusers import DiffusionPipeline

from sega_store import InvalidInputError, PipelineError
from sega_store.errors import first_line


def use_scheduler(pipe: DiffusionPipeline, name: str) -> None:
    """Exchange a pipeline's scheduler for another with the same configuration.

    Args:
        pipe: The pipeline.
        name: A class of diffusers that says of itself that it fits.

    Raises:
        InvalidInputError: It is none of those.
        PipelineError: It needs a package that isn't installed.
    """
    fitting = {kind.__name__: kind for kind in pipe.scheduler.compatibles}
    if name not in fitting:
        raise InvalidInputError(
            f"a scheduler must fit the model's {type(pipe.scheduler).__name__}, met {name!r}: take one of"
            f" {', '.join(sorted(fitting))}"
        )
    try:
        pipe.scheduler = fitting[name].from_config(pipe.scheduler.config)
    except ImportError as error:  # diffusers has a stand-in for a class whose package is missing
        raise PipelineError(" ".join(str(error).split())) from error


def add_loras(pipe: DiffusionPipeline, loras: Sequence[tuple[str, float]]) -> None:
    """Load LoRAs, all of which act in the pipeline's runs.

    Args:
        pipe: The pipeline.
        loras: For each its file, folder or id on the Hugging Face Hub, safetensors only, and its weight.

    Raises:
        PipelineError: One can't be loaded, isn't safetensors, or doesn't fit; or peft isn't installed.
    """
    if not loras:
        return
    if not hasattr(pipe, "load_lora_weights"):
        raise PipelineError(f"a LoRA needs a pipeline that loads it, {type(pipe).__name__} loads none: leave it out")
    if find_spec("peft") is None:
        raise PipelineError("a LoRA is loaded by peft, which is not installed: pip install peft")
    names = [f"lora_{number}" for number in range(len(loras))]
    for name, (given, _) in zip(names, loras, strict=True):
        place = os.path.expanduser(given)
        check_lora(place)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Already found a `peft_config`")  # several are wanted
                pipe.load_lora_weights(place, adapter_name=name, use_safetensors=True)
        except Exception as error:
            raise PipelineError(_explain(pipe, place, error)) from error
        if not any(name in found for found in pipe.get_list_adapters().values()):
            raise PipelineError(_explain(pipe, place, "none of its weights is for this model"))
    pipe.set_adapters(names, [weight for _, weight in loras])


def check_lora(place: str) -> None:
    """Check the files of a LoRA on this machine; an id on the Hub is left to diffusers, which asks for safetensors.

    Raises:
        PipelineError: There is no safetensors file.
    """
    path = Path(place)
    safe = any(path.glob("*.safetensors")) if path.is_dir() else path.suffix == ".safetensors"
    if path.exists() and not safe:
        raise PipelineError(
            f"a LoRA must be safetensors, since a pickle can run code when it is loaded; met {place}: convert it"
        )


def _explain(pipe: DiffusionPipeline, place: str, error: object) -> str:
    return (
        "a LoRA is a .safetensors file, a folder with one, or an id on the Hugging Face Hub, and fits the model;"
        f" {place!r} could not be loaded into {type(pipe).__name__}: {first_line(error)[:300]}"
    )
