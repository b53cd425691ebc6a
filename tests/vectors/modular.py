"""Tiny modular pipelines, of the components of tiny classic ones."""

from functools import cache
from typing import Any

from diffusers import (
    ClassifierFreeGuidance,
    FluxAutoBlocks,
    QwenImageAutoBlocks,
    StableDiffusion3AutoBlocks,
    StableDiffusionXLAutoBlocks,
    ZImageAutoBlocks,
)

from .families import FAMILIES

BLOCKS: dict[str, Any] = {
    "sdxl": StableDiffusionXLAutoBlocks,
    "sd3": StableDiffusion3AutoBlocks,
    "flux": FluxAutoBlocks,
    "qwen_image": QwenImageAutoBlocks,
    "z_image": ZImageAutoBlocks,
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "sdxl": {},
    "sd3": {"max_sequence_length": 32},
    "flux": {"max_sequence_length": 32, "guidance_scale": 3.5},
    "qwen_image": {"negative_prompt": " "},
    "z_image": {"max_sequence_length": 128},
}
GUIDANCE_SCALE = {"sdxl": 5.0, "sd3": 7.0, "qwen_image": 4.0, "z_image": 5.0}  # Z-Image's own pipeline says 4 for it


@cache
def classic(name: str) -> Any:
    pipe = FAMILIES[name].build()
    if name != "qwen_image":
        pipe.vae.register_to_config(scaling_factor=1.0, shift_factor=0.0)  # modular pipelines always decode
    return pipe


def assembled(name: str, pipe: Any) -> Any:
    """A family's modular pipeline, with the components of a classic one, and classifier-free guidance."""
    made = BLOCKS[name]().init_pipeline()
    made.update_components(**{n: c for n, c in pipe.components.items() if n in made.component_names and c is not None})
    if name == "sdxl":
        made.update_components(force_zeros_for_empty_prompt=pipe.config.force_zeros_for_empty_prompt)
    if name == "qwen_image":
        _start_prompts_at(made._blocks, pipe.prompt_template_encode_start_idx)
    if name in GUIDANCE_SCALE:
        made.update_components(guider=ClassifierFreeGuidance(guidance_scale=GUIDANCE_SCALE[name]))
    made.set_progress_bar_config(disable=True)
    return made


@cache
def modular(name: str) -> Any:
    return assembled(name, classic(name))


def _start_prompts_at(blocks: Any, start: int) -> None:
    """The tiny tokenizer makes more tokens of the prompt's template than the real one."""
    for block in blocks.sub_blocks.values():
        if hasattr(block, "prompt_template_encode_start_idx"):
            block.prompt_template_encode_start_idx = start
        _start_prompts_at(block, start)
