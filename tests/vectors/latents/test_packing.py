"""Where the entries of packed latents are in space."""

from typing import Any

import pytest
import torch

from sega_vectors.latents.packing import Packing, find_packing
from sega_vectors.pipeline.packings import learning_packings
from tests.vectors.families import FAMILIES


@pytest.mark.parametrize("family", ["flux", "qwen_image", "flux2"])
def test_the_pipeline_s_own_packing_is_learnt(family: str) -> None:
    pipe: Any = FAMILIES[family].build()
    arguments = {"flux": (2, 4, 8, 12), "qwen_image": (2, 4, 8, 12), "flux2": ()}[family]
    shape = {"flux": (2, 4, 8, 12), "qwen_image": (2, 1, 4, 8, 12), "flux2": (2, 16, 4, 6)}[family]
    latents = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.bfloat16)
    expected = type(pipe)._pack_latents(latents, *arguments)
    with learning_packings(pipe) as packings:
        assert torch.equal(pipe._pack_latents(latents, *arguments), expected)
    assert "_pack_latents" not in vars(pipe)
    (packing,) = packings
    assert packing.shape == tuple(n for n in shape[1:] if n > 1)
    unpacked = packing.unpack(expected)
    assert torch.equal(unpacked, latents.reshape(2, *packing.shape))
    assert torch.equal(packing.pack(unpacked), expected)
    found = find_packing(packings, [], expected, 1.0)
    assert found is not None
    assert torch.equal(found.order, packing.order)
    assert find_packing(packings, [], torch.zeros(2, 1, 2), 1.0) is None


def test_pipelines_that_do_not_pack_have_none() -> None:
    with learning_packings(FAMILIES["sd"].build()) as packings:
        pass
    assert packings == []


def test_square_patches_are_flux_s_packing() -> None:
    pipe: Any = FAMILIES["flux"].build()
    latents = torch.arange(4 * 8 * 12.0).reshape(1, 4, 8, 12)
    packed = type(pipe)._pack_latents(latents, 1, 4, 8, 12)
    packing = Packing.of_patches((4, 8, 12), tuple(packed.shape[1:]))
    assert packing is not None
    assert torch.equal(packing.pack(latents), packed)
    assert Packing.of_patches((4, 8, 12), (24, 17)) is None
