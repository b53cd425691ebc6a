"""Encoding each text once: watched calls and the run itself share the text encoders' outputs.

Every watched call of a recording encodes the same negative or empty prompt again. While `encoded_once` lasts, a text
encoder that meets an input for the second time returns its first output. At the run's first denoiser call, after which
no text is encoded, the outputs are dropped. Up to there other threads wait with tokenizers that they share, which keep
how they pad and truncate as state.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from sega_vectors.pipeline.patching import overridden
from sega_vectors.pipeline.turns import tokenizing


@contextmanager
def encoded_once(pipe: DiffusionPipeline) -> Iterator[Callable[[], None]]:
    """Let the pipeline's text encoders remember what they have encoded, until the block ends.

    Yields:
        What to call once the texts are encoded.
    """
    outputs: dict[Any, Any] = {}
    encoders = [c for n, c in pipe.components.items() if n.startswith("text_encoder") and isinstance(c, nn.Module)]

    def encoded() -> None:
        outputs.clear()
        held.close()

    with ExitStack() as held, ExitStack() as attached:
        held.enter_context(tokenizing(pipe))
        for number, encoder in enumerate(encoders):
            attached.enter_context(overridden(encoder, "forward", _remembered(outputs, number)))
        yield encoded


def _remembered(outputs: dict[Any, Any], number: int) -> Callable[..., Any]:
    def remembered(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        leaves, spec = pytree.tree_flatten((args, kwargs))
        key = (number, str(spec), *map(_key, leaves))
        if key not in outputs:
            outputs[key] = forward(*args, **kwargs)
        return outputs[key]

    return remembered


def _key(leaf: Any) -> Any:
    """A tensor's content, or what else an argument is told apart by."""
    if isinstance(leaf, Tensor):
        return leaf.dtype, leaf.shape, leaf.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return repr(leaf)
