"""A pipeline's call, taken apart."""

import json
import re
from typing import Any

import numpy as np
import pytest
import torch

from sega_vectors import InvalidInputError
from sega_vectors.pipeline.call import PipelineCall, check_arguments, recorded_arguments
from tests.vectors.tiny import stable_diffusion, stable_diffusion_xl


def test_what_is_recorded_of_a_call_can_be_repeated() -> None:
    pipe = stable_diffusion()
    call = PipelineCall.bind(pipe, ("a king",), {"guidance_rescale": 0.5, "height": 16, "num_inference_steps": 3})
    assert call.others == {"guidance_rescale": 0.5, "height": 16}
    assert recorded_arguments(pipe, call.others) == call.others


@pytest.mark.parametrize(
    "arguments",
    [{"prompt": "x"}, {"num_images_per_prompt": 10**9}, {"latents": 1}, {"trap": 1}, {"ip_adapter_image": "sha256:00"}],
)
def test_what_is_never_recorded_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=rf"StableDiffusionPipeline takes, met {next(iter(arguments))}"):
        recorded_arguments(stable_diffusion(), arguments)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("prompt", True),
        ("prompt_2", True),
        ("prompt_embeds", True),
        ("pooled_prompt_embeds", True),
        ("prompt_embeds_mask", True),
        ("prompt_attention_mask", True),
        ("negative_prompt", False),
        ("negative_prompt_embeds", False),
        ("system_prompt", False),
        ("num_images_per_prompt", False),
        ("cross_attention_kwargs", False),
    ],
)
def test_which_arguments_carry_the_text(name: str, text: bool) -> None:
    pipe = stable_diffusion()
    call = PipelineCall(pipe, {"prompt": "a king", name: "given"})
    assert (call.with_prompt("glasses").arguments[name] != "given") == text


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (np.int64(40), 40),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        ((40, np.int64(48)), [40, 48]),
        ([0.25, None], [0.25, None]),
        ({"scale": np.float64(0.5), "none": None}, {"scale": 0.5, "none": None}),
        (float("inf"), "inf"),
        (torch.ones(2), "sha256:"),
        ([torch.ones(2), None], ["sha256:", None]),
        (object(), "object:builtins.object"),
        (PipelineCall, "object:sega_vectors.pipeline.call.PipelineCall"),
    ],
)
def test_no_argument_vanishes_from_the_recipe(value: Any, kept: Any) -> None:
    pipe = stable_diffusion()
    others = PipelineCall.bind(pipe, ("a king",), {"cross_attention_kwargs": value}).others
    found = others["cross_attention_kwargs"]
    if "sha256:" in repr(kept):
        assert re.sub("[0-9a-f]{64}", "", repr(found)) == repr(kept)
    else:
        assert found == kept
        assert type(found) is type(kept)


def test_a_numpy_number_is_the_same_argument() -> None:
    pipe = stable_diffusion()
    plain, numpy = (PipelineCall.bind(pipe, ("a king",), {"height": h}).others for h in (40, np.int64(40)))
    assert plain == numpy == {"height": 40}
    assert PipelineCall.bind(pipe, ("a king",), {"guidance_rescale": np.float64(0)}).others == {}, "the default"


def test_tuples_come_back_as_tuples() -> None:
    pipe = stable_diffusion_xl()
    given = {"crops_coords_top_left": (4, 8), "target_size": (32, np.int64(32)), "timesteps": [900, 500]}
    call = PipelineCall.bind(pipe, ("a king",), given)
    stored = json.loads(json.dumps(call.others))
    assert recorded_arguments(pipe, stored) == {
        "crops_coords_top_left": (4, 8), "target_size": (32, 32), "timesteps": [900, 500],
        "negative_crops_coords_top_left": (0, 0),
    }  # fmt: skip


def test_objects_are_not_repeated() -> None:
    with pytest.raises(InvalidInputError, match="met cross_attention_kwargs"):
        recorded_arguments(stable_diffusion(), {"cross_attention_kwargs": "object:builtins.object"})


def test_unknown_arguments_are_named() -> None:
    pipe = stable_diffusion()
    check_arguments(pipe, ["prompt", "height"])
    with pytest.raises(InvalidInputError, match=r"takes, met heigth: .* It takes prompt, height"):
        check_arguments(pipe, ["prompt", "heigth"])
