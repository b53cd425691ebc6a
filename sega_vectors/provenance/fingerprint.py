"""A fingerprint of a denoiser's weights: equal weights, equal fingerprint, at the price of milliseconds.

Names, shapes, dtypes and up to 64 evenly spaced entries of every parameter go into a SHA-256, and the scales of
adapters. Fine-tunes, LoRAs, merges and other precisions change it. It tells models apart that differ in the ordinary
ways; it is no proof against someone who edits single weights on purpose.
"""

import hashlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

_SAMPLES = 64


@torch.no_grad()
def fingerprint(module: nn.Module) -> str:
    """SHA-256, in hex, of a sample of the module's parameters.

    It is computed anew each time: torch doesn't count writes to a parameter's `data`, which is how LoRAs are fused.
    """
    digest = hashlib.sha256()
    samples: list[Tensor] = []
    for name, parameter in sorted(module.named_parameters()):
        digest.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}\n".encode())
        samples.extend(map(_sampled, _plain_tensors(parameter)))
    for scale in _adapter_scales(module):
        digest.update(f"{scale}\n".encode())
    for sample in _on_host(samples):
        digest.update(sample.double().numpy().tobytes())
    return digest.hexdigest()


def _plain_tensors(parameter: Tensor) -> Iterator[Tensor]:
    """The tensors that a parameter is stored as: those inside one that is quantised or sharded, else itself."""
    if is_traceable_wrapper_subclass(parameter):
        names, _ = parameter.__tensor_flatten__()
        for name in names:
            yield from _plain_tensors(getattr(parameter, name))
    else:
        yield parameter.detach().as_subclass(Tensor)  # GGUF's own class has no views


def _on_host(samples: Sequence[Tensor]) -> list[Tensor]:
    """The samples on the CPU, in their order, by one transfer for each device and dtype."""
    kinds: dict[tuple[torch.device, torch.dtype], list[int]] = {}
    for place, sample in enumerate(samples):
        kinds.setdefault((sample.device, sample.dtype), []).append(place)
    on_host = list(samples)
    for places in kinds.values():
        joined = torch.cat([samples[place] for place in places]).cpu()  # in its own dtype: MPS has no float64
        for place, part in zip(places, torch.split(joined, [len(samples[place]) for place in places]), strict=True):
            on_host[place] = part
    return on_host


def _sampled(parameter: Tensor) -> Tensor:
    """Up to `_SAMPLES` evenly spaced entries, in the order of the indices."""
    size = parameter.numel()
    stride = max(1, size // _SAMPLES)
    if parameter.is_contiguous():  # the same entries, in one operation
        return parameter.as_strided((min(_SAMPLES, -(-size // stride)),), (stride,))
    return parameter.flatten()[::stride][:_SAMPLES]


def _adapter_scales(module: nn.Module) -> Iterator[str]:
    """How strongly LoRAs (a dictionary) and IP-Adapters (a list) act, which isn't among the parameters."""
    for name, part in module.named_modules():
        scaling, scale = vars(part).get("scaling"), vars(part).get("scale")
        if isinstance(scaling, dict):
            yield f"{name} {sorted(scaling.items())} {part.active_adapters} {part.disable_adapters}"
        elif isinstance(scale, list):
            yield f"{name} {scale}"
