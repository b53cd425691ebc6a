"""What a recording, or an application, holds in memory while its run goes on."""

import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from sega_vectors import Applier, Concept, Recorder
from sega_vectors.recording.sparse_buffer import SparseBuffer

from .tiny import stable_diffusion

STEPS = 8
CALL: dict[str, Any] = {
    "prompt": "a king",
    "num_inference_steps": STEPS,
    "height": 64,
    "width": 64,
    "output_type": "latent",
}


class LiveStorage(TorchDispatchMode):
    """Knows the bytes of all storages that were made under it and are still alive."""

    def __init__(self, pipe: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        modules = [part for part in pipe.components.values() if isinstance(part, nn.Module)]
        self._weights = {p.untyped_storage()._cdata for m in modules for p in (*m.parameters(), *m.buffers())}
        self._storages = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in torch.utils._pytree.tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.untyped_storage()._cdata not in self._weights:
                self._storages[leaf.untyped_storage()] = leaf.untyped_storage().nbytes()
        return result

    def bytes(self) -> int:
        """What is alive now."""
        return sum(self._storages.values())  # type: ignore[no-untyped-call]


def held_at_each_step(pipe: Any, run: Any) -> list[int]:
    """The bytes of tensors at the moment when the denoiser, which needs most, is about to be called."""
    held: list[int] = []
    live = LiveStorage(pipe)
    handle = pipe.unet.register_forward_pre_hook(lambda _module, _args: held.append(live.bytes()))
    with live:
        run(**CALL, generator=torch.Generator().manual_seed(0))
    handle.remove()
    return held[-STEPS:]


@pytest.mark.parametrize("concepts", [1, 3])
def test_a_recording_holds_its_entries_and_less_than_two_dense_samples_more(concepts: int) -> None:
    pipe = stable_diffusion()
    plain = held_at_each_step(pipe, pipe)
    recorder = Recorder(pipe, [Concept(text) for text in ("glasses", "hat", "smile")[:concepts]])
    recorded = held_at_each_step(pipe, recorder)
    tokens = 32 * 32 * 4  # of one text's embedding
    texts = tokens * (2 * concepts + 4)  # watched and remembered embeddings
    sample = 4 * 32 * 32 * 4
    extra = [r - p for r, p in zip(recorded, plain, strict=True)][1:]  # the first call still has what was watched
    assert max(extra) <= 2 * sample + texts
    assert max(extra[1:]) == min(extra[1:])  # nothing grows from step to step but the entries, which are numpy's


def test_what_was_kept_takes_the_place_of_its_entries_alone() -> None:
    kept = SparseBuffer()
    dense = torch.randn(1, 1, 4, 64, 64)
    dense[dense.abs() < dense.abs().flatten().quantile(0.9)] = 0
    for _ in range(STEPS):
        kept.append(dense)
    places, values = kept._steps[0]
    assert not kept._arriving
    assert sum(a.nbytes for a in (*places, *values)) == 12 * int((dense != 0).sum())


def test_what_is_on_another_device_waits_there_for_the_end() -> None:
    kept = SparseBuffer()
    kept.append(torch.ones(1, 1, 4, 8, 8, device="meta"))  # any step to the host would fail on this device
    assert len(kept._arriving) == 1
    assert not kept._steps


@pytest.mark.parametrize("applied", [False, True])
def test_encoded_texts_are_freed_at_the_first_denoiser_call(applied: bool) -> None:
    pipe = stable_diffusion()
    outputs: list[Any] = []
    alive: list[int] = []
    call: dict[str, Any] = {"prompt": "a king", "num_inference_steps": 3, "output_type": "latent"}
    recorder = Recorder(pipe, [Concept("glasses", 4.0, 0.9, 1)])
    if applied:
        recorder(**call, generator=torch.Generator().manual_seed(0))

    def step(*_: Any) -> dict[str, Any]:
        alive.append(sum(output() is not None for output in outputs))
        return {}

    pipe.text_encoder.register_forward_hook(lambda _m, _a, output: outputs.append(weakref.ref(output[0])))
    run = Applier(pipe, recorder.vectors) if applied else recorder
    run(**call, generator=torch.Generator().manual_seed(0), callback_on_step_end=step)
    assert outputs
    assert alive == [0] * 3
