"""Texts are encoded once a recording."""

from typing import Any

import pytest
import torch

from sega_vectors import Concept, Recorder
from sega_vectors.pipeline.text_cache import encoded_once
from tests.vectors.tiny import stable_diffusion, stable_diffusion_xl

CALL: dict[str, Any] = {"prompt": "a king", "num_inference_steps": 2, "output_type": "latent"}


def counted(encoder: Any) -> list[int]:
    """Grows by one with every run of a text encoder's layers."""
    count: list[int] = []
    layers = next(module for name, module in encoder.named_modules() if name.endswith("encoder"))
    layers.register_forward_hook(lambda *_: count.append(1))
    return count


@pytest.mark.parametrize("make", [stable_diffusion, stable_diffusion_xl])
def test_a_recording_encodes_each_text_once(make: Any) -> None:
    pipe = make()
    encoders = [c for name, c in pipe.components.items() if name.startswith("text_encoder") and c is not None]
    counts = [counted(encoder) for encoder in encoders]
    Recorder(pipe, [Concept("glasses"), Concept("hat")])(**CALL, guidance_scale=5.0)
    assert [len(count) for count in counts] == [4] * len(encoders)  # the empty prompt, both concepts, the prompt


def test_outputs_are_those_of_the_encoder_and_it_is_left_as_it_was() -> None:
    pipe = stable_diffusion()
    ids = pipe.tokenizer(["a king", "a queen"], padding="max_length", return_tensors="pt").input_ids
    with torch.no_grad():
        expected = [pipe.text_encoder(i[None])[0] for i in ids]
        with encoded_once(pipe):
            for _ in range(2):
                for i, e in zip(ids, expected, strict=True):
                    assert torch.equal(pipe.text_encoder(i[None])[0], e)
                assert not torch.equal(pipe.text_encoder(ids[:1])[0], pipe.text_encoder(ids[1:])[0])
    assert "forward" not in vars(pipe.text_encoder)
