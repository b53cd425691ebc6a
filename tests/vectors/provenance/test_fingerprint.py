"""The weights' fingerprint."""

import numpy as np
import pytest
import torch
from torch import nn

from sega_vectors.provenance.fingerprint import _sampled, fingerprint
from tests.vectors.tiny import stable_diffusion


def test_equal_weights_have_equal_fingerprints() -> None:
    assert fingerprint(stable_diffusion().unet) == fingerprint(stable_diffusion("euler").unet)


def test_what_changes_weights_changes_it() -> None:
    unet = stable_diffusion().unet
    prints = [fingerprint(unet), fingerprint(stable_diffusion(seed=1).unet)]
    with torch.no_grad():
        unet.conv_in.bias += 1e-3
    prints.append(fingerprint(unet))
    prints.append(fingerprint(unet.to(torch.float16)))
    unet.conv_in = nn.Sequential(unet.conv_in)
    prints.append(fingerprint(unet))
    assert len(set(prints)) == 5


def test_a_weight_that_is_written_behind_torch_s_back_changes_it() -> None:
    layer = nn.Linear(4, 4)
    first = fingerprint(layer)
    assert fingerprint(layer) == first
    layer.weight.data += 1  # as PEFT fuses a LoRA
    assert fingerprint(layer) != first


def test_the_scales_of_adapters_change_it() -> None:
    pytest.importorskip("peft")
    from peft import LoraConfig

    pipe = stable_diffusion()
    bare = fingerprint(pipe.unet)
    pipe.unet.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=["to_q", "to_v"], init_lora_weights=False))
    full = fingerprint(pipe.unet)
    pipe.set_adapters(["default"], [0.5])
    half = fingerprint(pipe.unet)
    pipe.disable_lora()
    disabled = fingerprint(pipe.unet)
    pipe.enable_lora()
    pipe.set_adapters(["default"], [1.0])
    assert fingerprint(pipe.unet) == full
    pipe.fuse_lora()
    pipe.unload_lora_weights()
    assert len({bare, full, half, disabled, fingerprint(pipe.unet)}) == 5


@pytest.mark.parametrize("shape", [(1,), (63,), (64,), (65,), (127,), (128,), (7, 100), (3, 5, 7, 11)])
def test_the_entries_are_evenly_spaced_whatever_the_memory_format(shape: tuple[int, ...]) -> None:
    values = torch.arange(float(np.prod(shape))).reshape(shape)
    stride = max(1, values.numel() // 64)
    expected = values.flatten()[::stride][:64]
    assert torch.equal(_sampled(values), expected)
    assert torch.equal(_sampled(values.T.contiguous().T if values.ndim == 2 else values), expected)
    whole = torch.cat([torch.zeros(3), values.flatten()])
    assert torch.equal(_sampled(whole[3:].reshape(shape)), expected), "a view has an offset"


def test_a_quantised_denoiser_has_one_that_its_weights_change() -> None:
    quantization = pytest.importorskip("torchao.quantization")

    def print_of(seed: int) -> str:
        torch.manual_seed(seed)
        layers = nn.Sequential(nn.Linear(64, 64))
        quantization.quantize_(layers, quantization.Int8WeightOnlyConfig())
        return fingerprint(layers)

    assert print_of(0) == print_of(0) != print_of(1)


def test_a_gguf_denoiser_has_one_that_its_weights_change() -> None:
    gguf = pytest.importorskip("gguf")
    from diffusers.quantizers.gguf.utils import GGUFParameter

    def print_of(seed: int) -> str:
        torch.manual_seed(seed)
        layer = nn.Linear(64, 64)
        kind = gguf.GGMLQuantizationType.Q8_0
        layer.weight = GGUFParameter(
            torch.from_numpy(gguf.quantize(layer.weight.detach().numpy(), kind)), quant_type=kind
        )
        return fingerprint(layer)

    assert print_of(0) == print_of(0) != print_of(1)


@pytest.mark.parametrize("storage", [torch.float8_e4m3fn, torch.bfloat16])
def test_weights_of_several_dtypes_have_one(storage: torch.dtype) -> None:
    layers = nn.Sequential(nn.Linear(4, 4).to(storage), nn.Linear(4, 4))
    assert fingerprint(layers) == fingerprint(layers)
