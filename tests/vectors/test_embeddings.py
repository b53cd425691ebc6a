"""Concepts given as embeddings, for pipelines without text encoders."""

from typing import Any

import pytest
import torch

from sega_vectors import Applier, Concept, InvalidInputError, PipelineError, Recorder
from tests.vectors.closeness import assert_same_entries
from tests.vectors.tiny import stable_diffusion, stable_diffusion_xl

STEPS: dict[str, Any] = {"num_inference_steps": 3, "output_type": "latent"}
CONCEPTS = [Concept("glasses", 4.0, 0.9, 1), Concept("a smile", 4.0, 0.9, 1)]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def embedded(pipe: Any, text: str) -> dict[str, torch.Tensor]:
    found = pipe.encode_prompt(text, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)
    return {"prompt_embeds": found[0], **({"pooled_prompt_embeds": found[2]} if len(found) == 4 else {})}


@pytest.mark.parametrize("make", [stable_diffusion, stable_diffusion_xl])
def test_embeddings_record_what_texts_record(make: Any) -> None:
    pipe = make()
    by_text = Recorder(pipe, CONCEPTS)
    by_text("a king", negative_prompt="grey", **STEPS, generator=generator())
    prompt, negative = embedded(pipe, "a king"), embedded(pipe, "grey")
    embeddings = {concept.text: embedded(pipe, concept.text) for concept in CONCEPTS}
    for name in [name for name in pipe.components if name.startswith(("text_encoder", "tokenizer"))]:
        setattr(pipe, name, None)
    recorder = Recorder(pipe, CONCEPTS, embeddings=embeddings)
    call = {**prompt, **{f"negative_{name}": rows for name, rows in negative.items()}}
    recorder(**call, **STEPS, generator=generator())
    for one, other in zip(recorder.vectors, by_text.vectors, strict=True):
        assert_same_entries(torch.from_numpy(one.dense()), torch.from_numpy(other.dense()), rtol=1e-3, atol=1e-5)
    assert "text_encoder is missing: the pipeline goes without it" in recorder.notes
    applier = Applier(pipe, recorder.vectors, noise=recorder.noises[0])
    applier(**call, **STEPS)
    assert all(found.answer == "exact" for found in applier.compatibility)


def test_other_embeddings_are_another_recipe() -> None:
    pipe = stable_diffusion()
    recipes = set()
    for text in ("glasses", "spectacles"):
        recorder = Recorder(pipe, CONCEPTS[:1], embeddings={"glasses": embedded(pipe, text)})
        recorder("a king", **STEPS, generator=generator())
        recipes.add(recorder.vectors[0].recipe)
    assert len(recipes) == 2


def test_embeddings_are_named_as_the_pipeline_names_them() -> None:
    pipe = stable_diffusion()
    recorder = Recorder(pipe, CONCEPTS[:1], embeddings={"glasses": {"text_embeds": torch.zeros(1, 32, 32)}})
    with pytest.raises(InvalidInputError, match="may be prompt, prompt_embeds here, met text_embeds"):
        recorder("a king", **STEPS)


def test_without_guidance_the_empty_text_is_needed_too() -> None:
    pipe = stable_diffusion()
    prompt, embeddings = embedded(pipe, "a king"), {"glasses": embedded(pipe, "glasses")}
    empty = embedded(pipe, "")
    pipe.text_encoder = pipe.tokenizer = None
    call = {**prompt, **STEPS, "guidance_scale": 1.0}
    with pytest.raises(PipelineError, match=r"embeddings\[''\]"):
        Recorder(pipe, CONCEPTS[:1], embeddings=embeddings)(**call, generator=generator())
    recorder = Recorder(pipe, CONCEPTS[:1], embeddings={**embeddings, "": empty})
    recorder(**call, generator=generator())
    assert recorder.vectors[0].values.size
