"""Attention processors and hooks of others, which count rows and calls."""

from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor

from sega_vectors import Concept, PipelineError, Recorder
from tests.vectors.closeness import assert_same_entries
from tests.vectors.tiny import stable_diffusion

CALL: dict[str, Any] = {"prompt": "a king", "num_inference_steps": 3, "output_type": "latent"}
CONCEPTS = [Concept("glasses", 4.0, 0.9, 1), Concept("a smile", 4.0, 0.9, 1)]


class Controller:
    """Counts like prompt-to-prompt's controllers."""

    def __init__(self, failing: bool = False) -> None:
        self.calls = 0
        self.failing = failing

    def __deepcopy__(self, _memo: Any) -> "Controller":
        if self.failing:
            raise TypeError("cannot pickle a window")
        made = Controller()
        made.calls = self.calls
        return made


class Halving(AttnProcessor):  # type: ignore[misc]
    """Needs an even number of rows, and acts by how often it was called, as prompt-to-prompt does."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller

    def __call__(self, attn: Any, hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
        uncond, cond = hidden_states.chunk(2)
        assert uncond.shape == cond.shape
        self.controller.calls += 1
        return super().__call__(attn, hidden_states, *args, **kwargs) * (1 + 0.1 * self.controller.calls)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def controlled(controller: Controller) -> Any:
    pipe = stable_diffusion()
    pipe.unet.set_attn_processor(Halving(controller))
    return pipe


def test_processors_that_count_rows_and_calls_see_the_run_alone() -> None:
    plain, recorded = Controller(), Controller()
    expected = controlled(plain)(**CALL, generator=generator()).images
    recorder = Recorder(controlled(recorded), CONCEPTS, guide=False)
    images = recorder(**CALL, generator=generator()).images
    torch.testing.assert_close(images, expected)
    assert recorded.calls == plain.calls
    assert all(vector.values.size for vector in recorder.vectors)


def test_a_concept_is_recorded_as_if_it_were_alone() -> None:
    joint = Recorder(controlled(Controller()), CONCEPTS, guide=False)
    joint(**CALL, generator=generator())
    alone = Recorder(controlled(Controller()), CONCEPTS[1:], guide=False)
    alone(**CALL, generator=generator())
    one, other = (torch.from_numpy(vector.dense()) for vector in (joint.vectors[1], alone.vectors[0]))
    assert_same_entries(one, other, rtol=1e-3, atol=1e-5)


def test_processors_that_cannot_be_copied_are_refused() -> None:
    with pytest.raises(PipelineError, match=r"must bear to be copied.*Halving can't: cannot pickle a window"):
        Recorder(controlled(Controller(failing=True)), CONCEPTS)(**CALL, generator=generator())


def test_hooks_that_halve_rows_see_calls_of_the_pipelines_own_size() -> None:
    pipe, rows = stable_diffusion(), set()

    def look(_module: Any, args: Any) -> None:
        rows.add(args[0].shape[0])

    handle = pipe.unet.conv_in.register_forward_pre_hook(look)
    recorder = Recorder(pipe, CONCEPTS)
    recorder(**CALL, generator=generator())
    handle.remove()
    assert rows == {2}
    other = Recorder(stable_diffusion(), CONCEPTS)
    other(**CALL, generator=generator())
    for one, two in zip(recorder.vectors, other.vectors, strict=True):
        assert_same_entries(torch.from_numpy(one.dense()), torch.from_numpy(two.dense()), rtol=1e-3, atol=1e-5)


def test_a_denoiser_that_fails_on_more_rows_is_refused_with_the_reason() -> None:
    pipe = stable_diffusion()
    former = pipe.unet.mid_block.forward

    def forward(hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
        return former(hidden_states.reshape(2, *hidden_states.shape[1:]), *args, **kwargs)

    pipe.unet.mid_block.forward = forward
    with pytest.raises(PipelineError, match=r"rows for its concepts beside its own 2, .* its own number of rows"):
        Recorder(pipe, CONCEPTS)(**CALL, generator=generator())
