"""Conversion of guidance between kinds of predictions, against the algebra of noising itself."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor

from sega_vectors import Applier, Concept, Recorder
from sega_vectors.maths.prediction import conversion
from tests.vectors.tiny import stable_diffusion

KINDS = ("epsilon", "v_prediction", "flow_prediction", "sample")
RATIOS = np.array([30.0, 4.0, 1.0, 0.2, 0.01])


def predict(kind: str, noisy: Tensor, clean: Tensor, r: float) -> Tensor:
    """What a model of a kind predicts where the clean picture is `clean`; noisy = x_0 + r ε, up to a factor."""
    noise = (noisy - clean) / r
    α, σ = 1 / np.sqrt(1 + r**2), r / np.sqrt(1 + r**2)
    by_kind: dict[str, Tensor] = {
        "epsilon": noise,
        "sample": clean,
        "v_prediction": α * noise - σ * clean,
        "flow_prediction": noise - clean,
    }
    return by_kind[kind]


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("recorded", KINDS)
def test_a_converted_change_is_the_change_of_the_other_prediction(recorded: str, target: str) -> None:
    factors = conversion(recorded, target, RATIOS)
    generator = torch.Generator().manual_seed(0)
    noisy, clean, other = torch.randn(3, 16, generator=generator, dtype=torch.float64)
    for r, factor in zip(RATIOS, factors, strict=True):
        change, expected = (predict(k, noisy, other, r) - predict(k, noisy, clean, r) for k in (recorded, target))
        torch.testing.assert_close(factor * change, expected)


class PredictingV(torch.nn.Module):
    """Makes a UNet that predicts ε predict the equivalent v."""

    def __init__(self, pipe: Any) -> None:
        super().__init__()
        self.alphas = pipe.scheduler.alphas_cumprod

    def __call__(self, _module: Any, args: Any, output: Any) -> Any:
        α = self.alphas[int(args[1])].sqrt()
        σ = (1 - α**2).sqrt()
        sample, epsilon = args[0], output[0]
        return ((epsilon - σ * sample) / α,)


def test_a_vector_of_an_epsilon_model_edits_its_v_predicting_equivalent_alike() -> None:
    call = {"prompt": "a king", "num_inference_steps": 8, "output_type": "latent"}
    pipe = stable_diffusion()
    recorder = Recorder(pipe, [Concept("glasses", 4.0, 0.9, 1)])
    recorded = recorder(**call, generator=torch.Generator().manual_seed(3)).images
    applier = Applier(pipe, recorder.vectors, noise=recorder.noises[0], edit_guidance_scale=2.0)
    expected = applier(**{**call, "prompt": "a queen"}).images
    plain = pipe(**{**call, "prompt": "a queen"}, generator=torch.Generator().manual_seed(3)).images

    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, prediction_type="v_prediction")
    handle = pipe.unet.register_forward_hook(PredictingV(pipe))
    converted = applier(**{**call, "prompt": "a queen"}).images
    handle.remove()
    assert applier.compatibility[0].answer == "compatible"
    assert "prediction type v_prediction instead of epsilon" in applier.compatibility[0].differences
    edit = (expected - plain).norm()
    assert edit > 0.02 * plain.norm()
    assert (converted - expected).norm() < 1e-3 * edit
    assert not torch.equal(recorded, expected)
