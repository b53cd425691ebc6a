"""Tiny modular pipelines, of the components of the tiny classic ones."""

from typing import Any

from diffusers import StableDiffusionXLAutoBlocks

from .tiny import stable_diffusion_xl


def modular_xl(pipe: Any = None) -> Any:
    """SDXL as a modular pipeline, with the components of a classic one; pictures are 32x32, latents 4x16x16."""
    pipe = stable_diffusion_xl() if pipe is None else pipe
    modular = StableDiffusionXLAutoBlocks().init_pipeline()
    shared = {n: c for n, c in pipe.components.items() if n in modular.component_names and c is not None}
    modular.update_components(**shared, force_zeros_for_empty_prompt=False)
    modular.set_progress_bar_config(disable=True)
    return modular
