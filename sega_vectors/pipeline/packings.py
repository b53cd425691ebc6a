"""The packings that a pipeline uses, learnt by letting its own `_pack_latents` pack the numbers of the entries."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from sega_vectors.latents.packing import Packing
from sega_vectors.pipeline.patching import overridden


@contextmanager
def learning_packings(pipe: DiffusionPipeline) -> Iterator[list[Packing]]:
    """The packings that the pipeline uses within the block, in order."""
    learnt: list[Packing] = []
    if not hasattr(pipe, "_pack_latents"):
        yield learnt
        return

    def watched(pack: Callable[..., Any], latents: Tensor, *args: Any, **kwargs: Any) -> Any:
        batch = latents.shape[0]
        numbers = torch.arange(latents[0].numel()).expand(batch, -1).reshape(latents.shape)
        packed = pack(numbers, *args, **kwargs)[0]
        order = packed.flatten()
        shape = tuple(n for n in latents.shape[1:] if n > 1)
        learnt.append(Packing(shape, tuple(packed.shape), order, order.argsort()))
        return pack(latents, *args, **kwargs)

    with overridden(pipe, "_pack_latents", watched):
        yield learnt
