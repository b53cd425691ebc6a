"""A fingerprint of a denoiser's weights: equal weights, equal fingerprint, at the price of milliseconds.

Names, shapes, dtypes and up to 64 evenly spaced entries of every parameter go into a SHA-256. Fine-tunes, LoRAs, merges
and other precisions change it. It tells models apart that differ in the ordinary ways; it is no proof against someone
who edits single weights on purpose.
"""

import hashlib
import weakref

import torch
from torch import Tensor, nn

_SAMPLES = 64

# Module -> (state of its parameters, fingerprint): hashed again only after a parameter was replaced or written to.
_cache: "weakref.WeakKeyDictionary[nn.Module, tuple[tuple[object, ...], str]]" = weakref.WeakKeyDictionary()


def fingerprint(module: nn.Module) -> str:
    """SHA-256, in hex, of a sample of the module's parameters."""
    state = tuple((n, p.data_ptr(), p._version, p.dtype) for n, p in module.named_parameters())
    cached = _cache.get(module)
    if cached is None or cached[0] != state:
        cached = state, _hash(module)
        _cache[module] = cached
    return cached[1]


@torch.no_grad()
def _hash(module: nn.Module) -> str:
    digest = hashlib.sha256()
    samples: list[Tensor] = []
    for name, parameter in sorted(module.named_parameters()):
        digest.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}\n".encode())
        flat = parameter.detach().flatten()
        stride = max(1, flat.numel() // _SAMPLES)
        samples.append(flat[::stride][:_SAMPLES].double())
    if samples:
        digest.update(torch.cat(samples).cpu().numpy().tobytes())  # one transfer for all
    return digest.hexdigest()
