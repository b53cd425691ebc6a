"""What a call's arguments are to its provenance, and how they change with the prompt."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline
from PIL import Image

from sega_vectors.call import PipelineCall

from .tiny import stable_diffusion


@pytest.fixture(scope="module")
def pipe() -> Any:
    return stable_diffusion(pipeline=StableDiffusionImg2ImgPipeline)


def bound(pipe: Any, **arguments: Any) -> PipelineCall:
    return PipelineCall.bind(pipe, (), {"prompt": "a king", **arguments})


def test_other_arguments_are_plain_or_hashed(pipe: Any) -> None:
    call = bound(
        pipe,
        strength=0.5,
        eta=0.0,
        sigmas=[3.0, 1.0],
        cross_attention_kwargs={"scale": 0.5},
        image=torch.zeros(1, 3, 8, 8),
        ip_adapter_image_embeds=[torch.ones(1, 1, 4)],
        callback_on_step_end=print,
        negative_prompt="blurred",
    )
    others = call.others
    assert {name: others[name] for name in ("strength", "sigmas", "cross_attention_kwargs")} == {
        "strength": 0.5,
        "sigmas": [3.0, 1.0],
        "cross_attention_kwargs": {"scale": 0.5},
    }
    assert str(others["image"]).startswith("sha256:")
    assert set(others) == {"strength", "sigmas", "cross_attention_kwargs", "image", "ip_adapter_image_embeds"}


def test_a_hash_is_of_the_content(pipe: Any) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    images: list[Any] = [pixels, Image.fromarray(pixels), torch.from_numpy(pixels.copy())]
    hashes = {str(bound(pipe, image=image).others["image"]) for image in images}
    assert len(hashes) == 1
    others = [pixels + 1, pixels.astype(np.int16), pixels.reshape(3, 4, 4), torch.zeros(2, dtype=torch.bfloat16)]
    assert len(hashes | {str(bound(pipe, image=image).others["image"]) for image in others}) == 5


def test_embeddings_are_named_by_their_hash(pipe: Any) -> None:
    ones, twos = (bound(pipe, prompt=None, prompt_embeds=torch.full((2, 8, 32), value)) for value in (1.0, 2.0))
    assert ones.prompt_text(0).startswith("(prompt_embeds sha256:")
    assert ones.prompt_text(0) != twos.prompt_text(0)
    assert bound(pipe, prompt="").prompt_text(0) == ""
    assert bound(pipe, prompt=["a king", ""]).prompt_text(1) == ""


def test_another_prompt_has_the_type_of_the_negative_one(pipe: Any) -> None:
    embeds = torch.zeros(1, 8, 32)
    assert bound(pipe).with_prompt("glasses").arguments["prompt"] == "glasses"
    assert bound(pipe, prompt=["a", "b"]).with_prompt("glasses").arguments["prompt"] == ["glasses"] * 2
    for negative, expected in (("blurred", "glasses"), (["blurred"], ["glasses"]), (None, ["glasses"])):
        call = bound(pipe, prompt=None, prompt_embeds=embeds, negative_prompt=negative).with_prompt("glasses")
        assert call.arguments["prompt"] == expected
        assert call.arguments["prompt_embeds"] is None
        assert call.arguments["negative_prompt"] == negative
