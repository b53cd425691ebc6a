"""An exported vector guides diffusers' own SemanticStableDiffusionPipeline as it was recorded."""

from pathlib import Path

import pytest
import torch
from diffusers import SemanticStableDiffusionPipeline
from safetensors.torch import load_file

from sega_store import Library, export_vectors
from sega_vectors import Concept, Recorder

from .tiny import stable_diffusion

CONCEPTS = {
    "plain": Concept("glasses", edit_guidance_scale=4, edit_threshold=0.9, edit_warmup_steps=2),
    "reversed, weighted, cooled down": Concept(
        "glasses", 4, 0.95, 3, edit_cooldown_steps=8, reverse_editing_direction=True, edit_weight=0.5
    ),
}


@pytest.mark.parametrize("name", CONCEPTS)
def test_sem_guidance_makes_the_recorded_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGA_VEC_CACHE", str(tmp_path / "cache"))
    call = {"prompt": "a king", "num_inference_steps": 12, "guidance_scale": 7.5, "output_type": "latent"}
    recorder = Recorder(stable_diffusion("ddim"), [CONCEPTS[name]])
    recorded = recorder(**call, generator=torch.Generator().manual_seed(5)).images
    library = Library(tmp_path / "library")
    library.add(recorder.vectors[0], recorder.noises[0])
    export_vectors(library, tmp_path / "a.safetensors", ["glasses"])

    tensors = load_file(tmp_path / "a.safetensors")
    sem_guidance, latents = list(tensors["sem_guidance"]), tensors["noise"][None]
    pipe = stable_diffusion("ddim", SemanticStableDiffusionPipeline)
    plain = pipe(**call, generator=torch.Generator().manual_seed(5)).images
    guided = pipe(**call, sem_guidance=sem_guidance, latents=latents).images
    assert (recorded - plain).abs().max() > 0.1
    assert (recorded - guided).abs().max() < 1e-4
