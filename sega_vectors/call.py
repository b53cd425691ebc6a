"""One call of a pipeline: its arguments by name, and how they change when it is watched or given another prompt."""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DiffusionPipeline

from sega_store import InvalidInputError

JSON = str | int | float | bool | None | list[Any] | dict[str, Any]

# Arguments that change nothing in the latents, or that provenance holds under a name of its own.
_NOT_PROVENANCE = {
    "num_inference_steps", "guidance_scale", "generator", "latents", "output_type", "return_dict",
    "num_images_per_prompt", "callback", "callback_steps", "callback_on_step_end", "callback_on_step_end_tensor_inputs",
}  # fmt: skip

_PROMPT = re.compile(r"(pooled_|generated_)?prompt(_\d)?(_embeds|_attention_mask|_mask|$)|attention_mask$")
_PER_PROMPT = re.compile(r"num_(images|videos|waveforms)_per_prompt")


def _is_prompt(name: str) -> bool:
    """Whether an argument carries the text that a concept takes the place of (`prompt_2`, `pooled_prompt_embeds`)."""
    return _PROMPT.match(name) is not None


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
        prompt = self.arguments.get("prompt")
        changes["prompt"] = text if isinstance(prompt, str) else [text] * self.num_prompts
        return self.replace(**changes)

    def with_other_noise(self) -> "PipelineCall":
        """The same call from another initial noise."""
        drawn = {name: None for name in ("latents", "generator") if name in self.arguments}
        return self.replace(**{**drawn, "generator": torch.Generator().manual_seed(0x5E6A)})

    def __call__(self) -> Any:
        """Run the pipeline."""
        return self.pipe(**self.arguments)

    @property
    def num_inference_steps(self) -> int:
        """The number of steps that was asked for."""
        steps = self.arguments.get("num_inference_steps")
        return 1 if steps is None else int(steps)

    @property
    def guidance_scale(self) -> float | None:
        """The scale of classifier-free guidance: an argument, or of a modular pipeline's guider; None if neither is."""
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

    def generator(self, sample: int) -> torch.Generator | None:
        """The generator that a sample's noise is drawn from."""
        generator = self.arguments.get("generator")
        return generator[sample] if isinstance(generator, list) else generator

    @property
    def scalars(self) -> dict[str, JSON]:
        """The other plain arguments that differ from their defaults: what else decides the result."""
        parameters = inspect.signature(type(self.pipe).__call__).parameters
        found: dict[str, JSON] = {}
        for name, value in self.arguments.items():
            if name in _NOT_PROVENANCE or "prompt" in name:
                continue
            default = parameters[name].default if name in parameters else None
            if isinstance(value, bool | int | float | str) and value != default:
                found[name] = value
            elif isinstance(value, list | tuple) and all(isinstance(v, bool | int | float | str) for v in value):
                found[name] = list(value)
        return found
