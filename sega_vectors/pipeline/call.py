"""One call of a pipeline: its arguments by name, and how they change when it is watched or given another prompt."""

import inspect
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline, ModularPipeline
from PIL.Image import Image
from torch import Tensor

from sega_store import InvalidInputError
from sega_store.records.provenance import CONCEPT_EMBEDS

JSON = str | int | float | bool | None | list[Any] | dict[str, Any]

# Arguments that change nothing in the latents, or that provenance holds under a name of its own.
_NOT_PROVENANCE = {
    "num_inference_steps", "guidance_scale", "generator", "latents", "output", "output_type", "return_dict",
    "num_images_per_prompt", "callback", "callback_steps", "callback_on_step_end", "callback_on_step_end_tensor_inputs",
}  # fmt: skip

_HASH, _OBJECT = "sha256:", "object:"

_PROMPT = re.compile(r"(pooled_|generated_)?prompt(_\d)?(_embeds|_attention_mask|_mask|$)|attention_mask$")
_PER_PROMPT = re.compile(r"num_(images|videos|waveforms)_per_prompt")


def _is_prompt(name: str) -> bool:
    """Whether an argument carries the text that a concept takes the place of (`prompt_2`, `pooled_prompt_embeds`)."""
    return _PROMPT.match(name) is not None


def _is_recorded(name: str) -> bool:
    """Whether provenance keeps an argument under its own name."""
    return name not in _NOT_PROVENANCE and name not in ("prompt", "negative_prompt") and not _is_prompt(name)


def recorded_arguments(pipe: DiffusionPipeline, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a recording remembers of its call beside its prompts, steps and noise, for another call.

    JSON has no tuples: where the pipeline takes one, a list becomes one.

    Raises:
        InvalidInputError: One of the arguments isn't taken by this pipeline, is never recorded, or is known only by its
            hash or class, such as a picture.
    """
    arguments = {name: value for name, value in arguments.items() if name != CONCEPT_EMBEDS}
    known = inspect.signature(type(pipe).__call__).parameters
    hashed = {name for name, value in arguments.items() if any(mark in repr(value) for mark in (_HASH, _OBJECT))}
    foreign = sorted(hashed | {name for name in arguments if name not in known or not _is_recorded(name)})
    if foreign:
        raise InvalidInputError(
            f"a recording is repeated with plain arguments that {type(pipe).__name__} takes, met"
            f" {', '.join(foreign)[:200]}: use the pipeline that it was recorded with, or apply it in Python"
        )
    return {name: _as_taken(known[name], value) for name, value in arguments.items()}


def check_pipeline(pipe: object) -> None:
    """Check that what is to be called is a pipeline.

    Raises:
        InvalidInputError: It is something else, such as a path.
    """
    if not isinstance(pipe, DiffusionPipeline | ModularPipeline):
        raise InvalidInputError(
            f"pipe must be a pipeline of diffusers, met a {type(pipe).__name__}: load one by load_pipeline or"
            " from_pretrained"
        )


def check_arguments(pipe: DiffusionPipeline, names: Iterable[str]) -> None:
    """Check that a pipeline takes arguments of these names.

    Raises:
        InvalidInputError: It doesn't take one of them; the message says which it takes.
    """
    parameters = inspect.signature(type(pipe).__call__).parameters
    known = [name for name, one in parameters.items() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    if foreign := sorted(set(names) - set(known)):  # some pipelines swallow any name, and do nothing with it
        raise InvalidInputError(
            f"a call may have the arguments that {type(pipe).__name__} takes, met {', '.join(foreign)}: leave it out."
            f" It takes {', '.join(known[1:])}"
        )


def _as_taken(parameter: inspect.Parameter, value: Any) -> Any:
    """A value from JSON as the pipeline's signature has it: a tuple where it says so."""
    said = str(parameter.annotation).lower()
    wants_tuple = isinstance(parameter.default, tuple) or ("tuple" in said and "list" not in said)
    return tuple(value) if wants_tuple and isinstance(value, list) else value


@dataclass(frozen=True)
class PipelineCall:
    """The arguments of one call `pipe(*args, **kwargs)`, bound to their names, defaults included."""

    pipe: DiffusionPipeline
    arguments: Mapping[str, Any]

    @classmethod
    def bind(cls, pipe: DiffusionPipeline, args: Sequence[Any], kwargs: Mapping[str, Any]) -> "PipelineCall":
        """Bind arguments as Python would; a wrong name raises the TypeError that the pipeline itself would raise."""
        signature = inspect.signature(type(pipe).__call__)
        bound = signature.bind(pipe, *args, **kwargs)
        bound.apply_defaults()
        arguments = dict(bound.arguments)
        del arguments[next(iter(signature.parameters))]
        for parameter in signature.parameters.values():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                arguments.update(arguments.pop(parameter.name, {}))
        call = cls(pipe, arguments)
        if call.num_inference_steps < 1:
            raise InvalidInputError(
                f"num_inference_steps must be at least 1, met {call.num_inference_steps}: ask for one step or more"
            )
        return call

    def replace(self, **changes: Any) -> "PipelineCall":
        """The same call with some arguments changed."""
        return PipelineCall(self.pipe, {**self.arguments, **changes})

    def with_prompt(self, text: str, embeddings: Mapping[str, Tensor] | None = None) -> "PipelineCall":
        """The same call with `text` as the prompt of every sample, or with its embeddings, one row each, by argument.

        Raises:
            InvalidInputError: An embedding isn't an argument that carries a prompt.
        """
        changes: dict[str, Any] = {name: None for name in self.arguments if _is_prompt(name)}
        if embeddings is not None:
            if foreign := sorted(set(embeddings) - set(changes)):
                raise InvalidInputError(
                    f"embeddings of {text!r} may be {', '.join(sorted(changes))} here, met {', '.join(foreign)}: name"
                    f" them as {type(self.pipe).__name__} does"
                )
            rows = {name: rows.expand(self.num_prompts, *rows.shape[1:]) for name, rows in embeddings.items()}
            return self.replace(**{**changes, **rows})
        prompts = self.arguments.get("prompt"), self.arguments.get("negative_prompt")  # pipelines want both of one type
        single = isinstance(next((given for given in prompts if given is not None), None), str)
        changes["prompt"] = text if single else [text] * self.num_prompts
        return self.replace(**changes)

    def with_other_noise(self) -> "PipelineCall":
        """The same call from another initial noise."""
        drawn = {name: None for name in ("latents", "generator") if name in self.arguments}
        return self.replace(**{**drawn, "generator": torch.Generator().manual_seed(0x5E6A)})

    def __call__(self) -> Any:
        """Run the pipeline, on lists of its own: Z-Image writes its chat template into the list of prompts."""
        return self.pipe(**{name: list(v) if isinstance(v, list) else v for name, v in self.arguments.items()})

    @property
    def num_inference_steps(self) -> int:
        """The number of steps that was asked for."""
        steps = self.arguments.get("num_inference_steps")
        return 1 if steps is None else int(steps)

    @property
    def guidance_scale(self) -> float | None:
        """The scale of classifier-free guidance, by argument or by a modular pipeline's guider; None if by neither."""
        guider = getattr(self.pipe, "guider", None)
        scale = self.arguments.get("guidance_scale", getattr(guider, "guidance_scale", None))
        return None if scale is None else float(scale)

    @property
    def num_prompts(self) -> int:
        """The number of prompts, before `num_images_per_prompt`."""
        prompts = self.arguments.get("prompt")
        if isinstance(prompts, str):
            return 1
        if prompts is None:
            prompts = self.arguments.get("prompt_embeds")
        if prompts is None:
            raise InvalidInputError("the call needs a prompt or prompt_embeds, met neither: pass prompt=")
        return len(prompts)

    @property
    def num_samples(self) -> int:
        """The number of pictures that the call makes."""
        counts = [value for name, value in self.arguments.items() if _PER_PROMPT.fullmatch(name)]
        return self.num_prompts * (next(iter(counts), None) or 1)

    def text(self, name: str, sample: int) -> str | None:
        """The text of argument `name` (`prompt`, `negative_prompt`) that a sample is made from."""
        value = self.arguments.get(name)
        if value is None or isinstance(value, str):
            return value
        return str(value[sample * len(value) // self.num_samples])

    def noise_generators(self) -> list[torch.Generator | None]:
        """What draws each sample's initial noise, and nothing before it; None where several share a generator."""
        generator = self.arguments.get("generator")
        if self.arguments.get("latents") is not None:
            return [None] * self.num_samples
        if isinstance(generator, list):
            return list(generator)
        return [generator] if self.num_samples == 1 else [None] * self.num_samples

    def prompt_text(self, sample: int) -> str:
        """The text of a sample's prompt; where embeddings took its place, their hash."""
        text = self.text("prompt", sample)
        return f"(prompt_embeds {described(self.arguments.get('prompt_embeds'))})" if text is None else text

    @property
    def others(self) -> dict[str, JSON]:
        """The other arguments that differ from their defaults, since they decide the result too.

        Plain values are kept as they are, tensors and pictures as `sha256:` and the hash of their content, all else as
        `object:` and its class. The other prompts are left out.
        """
        parameters = inspect.signature(type(self.pipe).__call__).parameters
        found: dict[str, JSON] = {}
        for name, value in self.arguments.items():
            if not _is_recorded(name):
                continue
            default = parameters[name].default if name in parameters else None
            kept = described(value)
            plain = isinstance(kept, bool | int | float | str | None) and not isinstance(value, Tensor)
            if value is not None and not (plain and kept == default):
                found[name] = kept
        return found


def described(value: Any) -> JSON:
    """A value as JSON has it; the hash of what is made of numbers, the class of anything else."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | int | str | None) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Image):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(np.array(value))
    if isinstance(value, Tensor):
        content = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        return f"{_HASH}{sha256(f'{value.dtype} {tuple(value.shape)} '.encode() + content).hexdigest()}"
    if isinstance(value, list | tuple):
        return [described(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): described(item) for key, item in value.items()}
    if isinstance(value, float):
        return str(value)  # JSON has no infinity
    kind = value if isinstance(value, type) or hasattr(value, "__qualname__") else type(value)
    return f"{_OBJECT}{kind.__module__}.{kind.__qualname__}"
