"""One call of a pipeline: its arguments by name, and how they change when it is watched or given another prompt."""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from PIL.Image import Image
from torch import Tensor

from sega_store import InvalidInputError

JSON = str | int | float | bool | None | list[Any] | dict[str, Any]

# Arguments that change nothing in the latents, or that provenance holds under a name of its own.
_NOT_PROVENANCE = {
    "num_inference_steps", "guidance_scale", "generator", "latents", "output", "output_type", "return_dict",
    "num_images_per_prompt", "callback", "callback_steps", "callback_on_step_end", "callback_on_step_end_tensor_inputs",
}  # fmt: skip

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

    Raises:
        InvalidInputError: One of the arguments isn't taken by this pipeline, is never recorded, or is known only by its
            hash, such as a picture.
    """
    known = inspect.signature(type(pipe).__call__).parameters
    hashed = {name for name, value in arguments.items() if "sha256:" in repr(value)}
    foreign = sorted(hashed | {name for name in arguments if name not in known or not _is_recorded(name)})
    if foreign:
        raise InvalidInputError(
            f"a recording is repeated with plain arguments that {type(pipe).__name__} takes, met"
            f" {', '.join(foreign)[:200]}: use the pipeline that it was recorded with, or apply it in Python"
        )
    return dict(arguments)


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

    def with_prompt(self, text: str) -> "PipelineCall":
        """The same call with `text` as the prompt of every sample."""
        changes: dict[str, Any] = {name: None for name in self.arguments if _is_prompt(name)}
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
        return f"(prompt_embeds {_described(self.arguments.get('prompt_embeds'))})" if text is None else text

    @property
    def others(self) -> dict[str, JSON]:
        """The other arguments that differ from their defaults, since they decide the result too.

        Plain values are kept as they are, tensors and pictures as `sha256:` and the hash of their content. All else is
        left out, and so are the other prompts.
        """
        parameters = inspect.signature(type(self.pipe).__call__).parameters
        found: dict[str, JSON] = {}
        for name, value in self.arguments.items():
            if not _is_recorded(name):
                continue
            default = parameters[name].default if name in parameters else None
            described = _described(value)
            if described is not None and not (isinstance(value, bool | int | float | str) and value == default):
                found[name] = described
        return found


def _described(value: Any) -> JSON:
    """A value as JSON has it, or its hash; None if it's neither plain nor numbers."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Image):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(np.array(value))
    if isinstance(value, Tensor):
        content = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        return f"sha256:{sha256(f'{value.dtype} {tuple(value.shape)} '.encode() + content).hexdigest()}"
    if isinstance(value, list | tuple):
        items = [_described(item) for item in value]
        return None if None in items else items
    if isinstance(value, Mapping):
        entries = {str(key): _described(item) for key, item in value.items()}
        return None if None in entries.values() else entries
    return None
