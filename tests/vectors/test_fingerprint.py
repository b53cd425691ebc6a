"""The weights' fingerprint."""

import torch
from torch import nn

from sega_vectors.fingerprint import fingerprint

from .tiny import stable_diffusion


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


def test_it_is_cached_until_a_weight_is_written() -> None:
    layer = nn.Linear(4, 4)
    first = fingerprint(layer)
    assert fingerprint(layer) == first
    with torch.no_grad():
        layer.weight.mul_(2)
    assert fingerprint(layer) != first
