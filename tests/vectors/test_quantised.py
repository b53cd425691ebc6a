"""Quantised denoisers are recorded and applied like others, and told apart by their weights.

Each way is tried where its library is installed; fp8 storage needs none.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from sega_vectors import Applier, Concept, Recorder
from sega_vectors.provenance.fingerprint import fingerprint

from .tiny import stable_diffusion

CALL: dict[str, Any] = {"prompt": "a king", "num_inference_steps": 3, "output_type": "latent"}


def fp8(unet: Any) -> None:
    unet.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32)


def torchao_int8(unet: nn.Module) -> None:
    quantization = pytest.importorskip("torchao.quantization")
    quantization.quantize_(unet, quantization.Int8WeightOnlyConfig())


def quanto_int8(unet: nn.Module) -> None:
    quanto = pytest.importorskip("optimum.quanto")
    quanto.quantize(unet, weights=quanto.qint8)
    quanto.freeze(unet)


def nf4(unet: nn.Module) -> None:
    """As diffusers' BitsAndBytesConfig does, which wants a GPU to load."""
    layers = pytest.importorskip("bitsandbytes").nn
    for module in list(unet.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                made = layers.Linear4bit(
                    child.in_features, child.out_features, child.bias is not None, torch.float32, quant_type="nf4"
                )
                made.weight = layers.Params4bit(child.weight.data, requires_grad=False, quant_type="nf4")
                made.bias = child.bias
                setattr(module, name, made.to("cpu"))


@pytest.mark.parametrize("quantise", [fp8, torchao_int8, quanto_int8, nf4])
def test_a_quantised_denoiser_is_recorded_applied_and_told_apart(quantise: Callable[[Any], None]) -> None:
    pipes = [stable_diffusion(seed=seed) for seed in (0, 0, 1)]
    plain = fingerprint(pipes[0].unet)
    for pipe in pipes:
        quantise(pipe.unet)
    prints = [fingerprint(pipe.unet) for pipe in pipes]
    assert prints[0] == prints[1]
    assert len({plain, *prints}) == 3
    recorder = Recorder(pipes[0], [Concept("glasses", 4.0, 0.9, 0)])
    recorded = recorder(**CALL, generator=torch.Generator().manual_seed(3)).images
    applier = Applier(pipes[1], recorder.vectors, noise=recorder.noises[0])
    torch.testing.assert_close(applier(**CALL).images, recorded, rtol=1e-3, atol=1e-3 * float(recorded.abs().max()))
    assert applier.compatibility[0].answer == "exact"
    assert [one.answer for one in Applier(pipes[2], recorder.vectors, noise=recorder.noises[0]).check(**CALL)] == [
        "compatible"
    ]
