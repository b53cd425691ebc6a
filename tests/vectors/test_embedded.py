"""The shipped model: complete, small, stock, and its pictures follow their prompts."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from sega_vectors.judging.embedded_judge import FOLDER as JUDGE
from sega_vectors.judging.embedded_judge import Judge
from sega_vectors.pipeline.loading import EMBEDDED, load_pipeline

PROMPTS = {
    "a cartoon of a person with glasses": ("cartoon", "glasses"),
    "a pencil drawing of a person with a beard": ("pencil drawing", "beard"),
    "a photograph of a person with a hat": ("photograph", "hat"),
    "a watercolour of a person with red hair": ("watercolour", "red hair"),
    "pixel art, person, blue background": ("pixel art", "blue background"),
}


@pytest.fixture(scope="module")
def pipe() -> Any:
    pipeline = load_pipeline("embedded")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def sample(pipe: Any, prompts: list[str], seed: int, steps: int = 20) -> list[Image.Image]:
    generators = [torch.Generator().manual_seed(seed + i) for i in range(len(prompts))]
    images: list[Image.Image] = pipe(
        prompts, generator=generators, num_inference_steps=steps, guidance_scale=5.0
    ).images
    return images


def test_model_and_judge_fit_in_the_package() -> None:
    files = [path for folder in (EMBEDDED, JUDGE) for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 30_000_000
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".txt"}


def test_it_is_a_stock_pipeline_without_extras() -> None:
    index = json.loads((EMBEDDED / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline"
    assert index["safety_checker"] == [None, None]
    assert index["feature_extractor"] == [None, None]
    assert {path.name for path in EMBEDDED.iterdir() if path.is_dir()} == {
        "scheduler", "text_encoder", "tokenizer", "unet", "vae",
    }  # fmt: skip


def test_no_file_names_a_folder_of_the_machine_it_was_made_on() -> None:
    for path in [*EMBEDDED.rglob("*.json"), *JUDGE.rglob("*.json")]:
        assert not json.loads(path.read_text()).get("_name_or_path", "").startswith(("/", "\\")), path


def test_it_loads_in_single_precision(pipe: Any) -> None:
    assert isinstance(pipe, StableDiffusionPipeline)
    assert {p.dtype for part in (pipe.unet, pipe.vae, pipe.text_encoder) for p in part.parameters()} == {torch.float32}


def test_loading_without_a_dtype_gives_the_same_weights(pipe: Any) -> None:
    again = StableDiffusionPipeline.from_pretrained(EMBEDDED)
    for name in ("unet", "vae", "text_encoder"):
        state = getattr(again, name).state_dict()
        assert all(
            torch.equal(value.float(), state[key].float()) for key, value in getattr(pipe, name).state_dict().items()
        )


def test_concepts_have_embeddings_of_their_own(pipe: Any) -> None:
    # An encoder trained jointly from scratch collapses to one embedding, and its pictures still look fine.
    concepts = ["", "glasses", "beard", "hat", "smile", "red hair", "blue hair", "pencil drawing", "photograph"]
    ids = pipe.tokenizer(concepts, padding="max_length", return_tensors="pt").input_ids
    with torch.inference_mode():
        states = torch.nn.functional.normalize(pipe.text_encoder(ids)[0][:, -1], dim=1)
    similarity = states @ states.T - 2 * torch.eye(len(concepts))
    assert similarity.max() < 0.95


def test_pictures_are_64_by_64_and_follow_the_seed(pipe: Any) -> None:
    first, second = (sample(pipe, ["a cartoon of a person"], seed=1, steps=2)[0] for _ in range(2))
    other = sample(pipe, ["a cartoon of a person"], seed=2, steps=2)[0]
    assert first.size == (64, 64)
    assert first.tobytes() == second.tobytes() != other.tobytes()


def test_pictures_follow_their_prompts(pipe: Any) -> None:
    prompts = [prompt for prompt in PROMPTS for _ in range(2)]
    result = Judge.load()(sample(pipe, prompts, seed=100))
    hits = [result[concept][i] > 0.5 for i, prompt in enumerate(prompts) for concept in PROMPTS[prompt]]
    assert sum(hits) >= 0.85 * len(hits)


def test_a_silent_prompt_wears_nothing(pipe: Any) -> None:
    result = Judge.load()(sample(pipe, ["a cartoon of a person"] * 8, seed=200))
    for concept in ("glasses", "hat", "beard"):
        assert (result[concept] > 0.5).sum() <= 2, concept


def test_the_card_is_there() -> None:
    card = (Path(EMBEDDED).parent / "README.md").read_text(encoding="utf-8")
    for word in ("Open Peeps", "Pablo Stanley", "CC0 1.0", "held-out", "Wilson"):
        assert word in card
