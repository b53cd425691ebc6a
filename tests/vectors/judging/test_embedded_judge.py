"""The shipped judge: what it promises, and that it tells pictures of the shipped model apart."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from sega_vectors.judging.embedded_judge import FOLDER, Judge, JudgeNetwork, read_attributes

EXCLUSIVE = ("medium", "background", "hair colour", "hair length")


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.load()


@pytest.fixture
def images() -> list[Image.Image]:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    return [Image.fromarray(p) for p in pixels]


def test_probabilities_have_the_promised_shapes_and_ranges(judge: Judge, images: list[Image.Image]) -> None:
    result = judge(images)
    assert tuple(result) == judge.concepts
    for probability in result.values():
        assert probability.shape == (3,)
        assert ((probability >= 0) & (probability <= 1)).all()
    for name in EXCLUSIVE:
        total = sum(result[value] for value in judge.attributes[name])
        np.testing.assert_allclose(total, 1, atol=1e-5)


def test_no_picture_gives_no_probability(judge: Judge) -> None:
    assert all(probability.shape == (0,) for probability in judge([]).values())


def test_a_picture_is_judged_alike_alone_and_in_company(judge: Judge, images: list[Image.Image]) -> None:
    together = judge(images)["glasses"]
    assert judge.has("glasses", images[1]) == pytest.approx(float(together[1]), abs=1e-5)


def test_mode_size_and_articles_do_not_matter(judge: Judge, images: list[Image.Image]) -> None:
    plain = judge.has("hat", images[0])
    assert judge.has(" A hat", images[0]) == plain
    assert judge.has("hat", images[0].convert("RGBA")) == plain
    assert judge.has("hat", images[0].resize((256, 256), Image.Resampling.NEAREST)) == pytest.approx(plain, abs=1e-6)


def test_an_unknown_concept_is_refused_with_the_known_ones(judge: Judge, images: list[Image.Image]) -> None:
    with pytest.raises(ValueError, match=r"'moustache'.*glasses"):
        judge.has("moustache", images[0])


def test_judging_leaves_no_trace(judge: Judge, images: list[Image.Image]) -> None:
    state = torch.random.get_rng_state()
    before = judge(images)
    assert torch.equal(torch.random.get_rng_state(), state)
    after = judge(images)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_half_precision_files_are_computed_in_single(tmp_path: Path, images: list[Image.Image]) -> None:
    attributes = {"worn": ["glasses", "hat"]}
    (tmp_path / "config.json").write_text(json.dumps({"size": 64, "attributes": attributes}))
    torch.manual_seed(0)
    network = JudgeNetwork(2)
    state = network.state_dict()
    save_file({k: v.half() if v.is_floating_point() else v for k, v in state.items()}, tmp_path / "model.safetensors")
    result = Judge.load(tmp_path)(images)
    assert result["hat"].dtype == np.float32
    assert list(result) == ["glasses", "hat"]


def test_attributes_are_those_of_the_config() -> None:
    config = json.loads((FOLDER / "config.json").read_text())
    assert {name: list(values) for name, values in read_attributes().items()} == config["attributes"]
    assert {"glasses", "hat", "beard"} <= set(read_attributes()["worn"])
