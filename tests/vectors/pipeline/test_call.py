"""A pipeline's call, taken apart."""

from typing import Any

import pytest

from sega_vectors import InvalidInputError
from sega_vectors.pipeline.call import PipelineCall, recorded_arguments
from tests.vectors.tiny import stable_diffusion


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
