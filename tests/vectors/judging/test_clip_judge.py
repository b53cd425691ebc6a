"""The CLIP judge on a tiny CLIP of random weights: its arithmetic and its refusals, not what it means."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPVisionConfig

from sega_vectors import InvalidInputError, PipelineError
from sega_vectors.judging.clip_judge import BATCH, TEMPLATES, ClipJudge
from tests.vectors.tiny import clip_config, tokenizer

CONCEPTS = ("glasses", "a long beard", "hat")


def tiny_clip(folder: Path) -> Path:
    """A folder with a CLIP that takes pictures of 16x16, whose texts and pictures have directions of their own."""
    torch.manual_seed(0)
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4, image_size=16, patch_size=8
    )
    text = clip_config(max_position_embeddings=64)
    model = CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=16))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embedding" in name or "projection" in name:
                parameter.normal_()
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    size = {"height": 16, "width": 16}
    CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size=size).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def judge(folder: Path) -> ClipJudge:
    return ClipJudge.load(str(folder), CONCEPTS, device="cpu")


def pictures(count: int, mode: str = "RGB") -> list[Image.Image]:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 20, 28, 3), dtype=np.uint8)
    return [Image.fromarray(p).convert(mode) for p in pixels]


def test_probabilities_are_those_of_the_formula(judge: ClipJudge, folder: Path) -> None:
    model, processor = CLIPModel.from_pretrained(folder).eval(), CLIPImageProcessorPil.from_pretrained(folder)
    images = pictures(3)
    found = judge(images)
    assert tuple(found) == judge.concepts == CONCEPTS
    pixels = processor(images, return_tensors="pt")["pixel_values"]
    for concept in CONCEPTS:
        each = []
        for template in TEMPLATES:
            texts = [tokenizer()(side.format(concept), return_tensors="pt")["input_ids"] for side in template]
            with torch.no_grad():
                logits = torch.cat([model(input_ids=t, pixel_values=pixels).logits_per_image for t in texts], dim=1)
            each.append(logits.softmax(dim=1)[:, 0].numpy())
        np.testing.assert_allclose(found[concept], np.mean(each, axis=0), atol=1e-4)
        assert found[concept].dtype == np.float32
        assert ((found[concept] >= 0) & (found[concept] <= 1)).all()
    spread = np.stack(list(found.values()))
    assert spread.std(axis=0).min() > 1e-3, "concepts are told apart"
    assert spread.std(axis=1).min() > 1e-3, "pictures are told apart"


def test_a_picture_is_judged_alike_in_any_company(judge: ClipJudge) -> None:
    images = pictures(BATCH + 2)
    together = judge(images)
    alone = [judge([image]) for image in images]
    for concept in CONCEPTS:
        np.testing.assert_allclose(together[concept], [one[concept][0] for one in alone], atol=1e-4)


def test_other_concepts_change_nothing(judge: ClipJudge, folder: Path) -> None:
    alone = ClipJudge.load(str(folder), ["glasses"], device="cpu")(pictures(3))
    np.testing.assert_allclose(alone["glasses"], judge(pictures(3))["glasses"], atol=1e-4)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_pictures_of_any_mode(judge: ClipJudge, mode: str) -> None:
    assert judge(pictures(2, mode))["hat"].shape == (2,)


def test_no_picture_gives_no_probability(judge: ClipJudge) -> None:
    assert all(probability.shape == (0,) for probability in judge([]).values())


def test_half_precision_is_close(folder: Path, judge: ClipJudge) -> None:
    half = ClipJudge.load(str(folder), CONCEPTS, device="cpu", dtype="bfloat16")(pictures(3))
    for concept, probability in judge(pictures(3)).items():
        np.testing.assert_allclose(half[concept], probability, atol=0.1)


def _without_weights(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({name: w for name, w in weights.items() if "vision" not in name}, folder / "model.safetensors")


def _pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _pickled_shard(folder: Path) -> None:
    _pickled(folder)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"logit_scale": "pytorch_model.bin"}}')


def _without_tokenizer(folder: Path) -> None:
    for path in folder.glob("*token*"):
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_without_weights, "all weights of a CLIPModel, .* lacks"),
        (_pickled, "could not be loaded"),
        (_pickled_shard, r"weights must be safetensors.*met 'pytorch_model\.bin'"),
        (_without_tokenizer, "must have its own tokenizer"),
        (shutil.rmtree, "could not be loaded"),
    ],
)
def test_what_cannot_be_loaded_is_refused(spoil: Any, message: str, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "clip")
    spoil(tmp_path / "clip")
    with pytest.raises(PipelineError, match=message):
        ClipJudge.load(str(tmp_path / "clip"), CONCEPTS, device="cpu")


@pytest.mark.parametrize(
    ("concepts", "options", "message"),
    [
        ([], {}, "met none"),
        (["x" * 99], {}, "64 tokens"),
        (CONCEPTS, {"dtype": "int8"}, "met 'int8'"),
        (CONCEPTS, {"device": "gpu"}, "met 'gpu'"),
    ],
)
def test_bad_input_is_refused(concepts: Any, options: Any, message: str, folder: Path) -> None:
    with pytest.raises(InvalidInputError, match=message):
        ClipJudge.load(str(folder), concepts, **{"device": "cpu", **options})
