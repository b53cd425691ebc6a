"""The arguments of a command's calls, typed and checked by the pipelines' own signatures."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sega_cli.generating.call_arguments import call_arguments, image_to_image
from sega_store import InvalidInputError
from tests.vectors.families import FAMILIES
from tests.vectors.tiny import stable_diffusion, stable_diffusion_xl


@cache
def pipeline(name: str) -> Any:
    return FAMILIES[name].build()


@pytest.mark.parametrize(
    ("family", "text", "value"),
    [
        ("sd", "clip_skip=1", 1),
        ("sd", "clip_skip=null", None),
        ("sd", "eta=1", 1.0),
        ("sd", "eta=1e-1", 0.1),
        ("sd", "timesteps=[900, 500]", [900, 500]),
        ("sd", "sigmas=[14, 0.5]", [14.0, 0.5]),
        ("sd", 'cross_attention_kwargs={"scale": 0.5}', {"scale": 0.5}),
        ("sdxl", "crops_coords_top_left=[2, 4]", (2, 4)),
        ("sdxl", "original_size=[32, 48]", (32, 48)),
        ("sdxl", "negative_prompt_2=a hat = a cap", "a hat = a cap"),
        ("sdxl", "negative_prompt_2=7", "7"),
        ("sdxl", 'negative_prompt_2=["hat"]', ["hat"]),
        ("z_image", "cfg_normalization=true", True),
        ("lumina2", "system_prompt=Draw", "Draw"),
        ("lumina2", 'system_prompt="Draw"', "Draw"),
        ("flux2", "text_encoder_out_layers=[1, 2]", (1, 2)),
        ("sana", "complex_human_instruction=[]", []),
    ],
)
def test_a_value_has_the_type_of_the_signature(family: str, text: str, value: Any) -> None:
    name, _, written = text.partition("=")
    found = call_arguments(pipeline(family), {}, {}, [(name, written)])[name]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("family", "text", "said"),
    [
        ("sd", "clip_skip=two", r"clip_skip of StableDiffusionPipeline must be int, met 'two': write --arg clip_skip"),
        ("sd", "clip_skip=1.5", "must be int, met '1.5'"),
        ("sd", "clip_skip=true", "must be int, met 'true'"),
        ("sd", "eta=true", "must be float, met 'true'"),
        ("sd", "eta=null", "must be float, met 'null'"),
        ("sd", "timesteps=[1.5]", r"must be list \(list\[int\]\), met '\[1.5\]'"),
        ("sdxl", "crops_coords_top_left=[2, 4, 6]", r"must be tuple \(tuple\[int, int\]\), met"),
        ("sdxl", "crops_coords_top_left=2", r"must be tuple \(tuple\[int, int\]\), met"),
        ("z_image", "cfg_normalization=1", "must be bool, met '1'"),
        ("sd", "clip=1", "StableDiffusionPipeline takes, met clip: leave it out"),
        ("sd", "prompt=x", "met prompt: use the command's prompts"),
        ("sd", "generator=1", "met generator: use --seed"),
        ("sd", "latents=[]", "met latents: use --seed"),
        ("sd", "num_inference_steps=3", "met num_inference_steps: use --steps"),
        ("sd", "height=16", "met height: use --height"),
        ("sd", "output_type=latent", "output_type of StableDiffusionPipeline isn't one"),
        ("sd", "callback_on_step_end=x", "callback_on_step_end of StableDiffusionPipeline isn't one"),
        ("sd", "prompt_embeds=[1]", "prompt_embeds of StableDiffusionPipeline isn't one"),
        ("sdxl", "prompt_2=x", "prompt_2 of StableDiffusionXLPipeline isn't one"),
        ("sd", "ip_adapter_image=x.png", "ip_adapter_image of StableDiffusionPipeline must be list"),
        ("sd", "ip_adapter_image_embeds=[1]", "ip_adapter_image_embeds of StableDiffusionPipeline must be list"),
    ],
)
def test_another_value_is_refused_with_the_rule(family: str, text: str, said: str) -> None:
    name, _, written = text.partition("=")
    with pytest.raises(InvalidInputError, match=said):
        call_arguments(pipeline(family), {}, {}, [(name, written)])


def test_what_is_given_goes_before_what_is_the_default() -> None:
    found = call_arguments(
        pipeline("sd"), {"guidance_scale": 4.0, "eta": 0.5, "clip_skip": 1}, {"guidance_scale": 3.0}, [("eta", "1")]
    )
    assert found == {"guidance_scale": 3.0, "eta": 1.0, "clip_skip": 1}


@pytest.mark.parametrize(
    ("given", "size"),
    [((37, 21), (36, 20)), ((1, 1), (2, 2)), ((37, 21, 32), (36, 32)), ((37, 21, 32, 16), (16, 32))],
)
def test_a_picture_to_start_from_has_the_size_of_the_run(
    tmp_path: Path, given: tuple[int, ...], size: tuple[int, int]
) -> None:
    path = tmp_path / "picture.png"
    Image.new("RGBA", (given[0], given[1]), "red").save(path)
    asked = dict(zip(("height", "width"), given[2:], strict=False))
    found = call_arguments(image_to_image(stable_diffusion()), {}, {"image": path, "strength": 0.5, **asked})
    assert (found["image"].size, found["image"].mode) == (size, "RGB")
    assert set(found) == {"image", "strength"}, "the pipeline takes no height and width"


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_text("none")
    pipe = image_to_image(stable_diffusion_xl())
    with pytest.raises(InvalidInputError, match="--image must be a picture: cannot identify image file"):
        call_arguments(pipe, {}, {"image": tmp_path / "picture.png"})
    with pytest.raises(InvalidInputError, match="give it with --image"):
        call_arguments(pipe, {}, {"strength": 0.5})
