"""What is looked at in a run, and what is refused of it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sega_vectors import PipelineError
from sega_vectors.pipeline.run_check import RunCheck
from tests.vectors.pipeline.test_turns import Calling
from tests.vectors.tiny import SCHEDULERS

FINE, BROKEN = torch.zeros(2), torch.tensor([1.0, float("nan")])


def planned(steps: int, first: int = 0, said: int | None = None) -> RunCheck:
    """A check that has seen the beginning of a run."""
    scheduler = SCHEDULERS["ddim"]()
    scheduler.set_timesteps(steps)
    pipe: Any = SimpleNamespace(scheduler=scheduler)
    if said is not None:
        pipe.num_timesteps = said
    check = RunCheck()
    check.begin(pipe, scheduler.timesteps[first])
    return check


@pytest.mark.parametrize(
    ("first", "said", "expected"),
    [(0, None, [751, 501, 251, 1]), (1, None, [501, 251, 1]), (0, 4, [751, 501, 251, 1]), (1, 2, [501, 251])],
)
def test_the_steps_that_a_run_is_to_take(first: int, said: int | None, expected: list[int]) -> None:
    np.testing.assert_array_equal(planned(4, first, said).planned, expected)


def test_a_run_of_finite_numbers_passes() -> None:
    check = planned(1)
    check.check_finite()
    check.look("the prediction", FINE, FINE)
    check.step(1, FINE, FINE)
    check.check_finite()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 1])
def test_any_tensor_that_is_not_finite_is_refused(value: float, place: int) -> None:
    check, looked = planned(1), [FINE, FINE]
    looked[place] = torch.tensor([0.0, value])
    check.look("the prediction", *looked)
    with pytest.raises(PipelineError, match="at step 1 of 1 the prediction had NaN or infinity"):
        check.check_finite()


@pytest.mark.parametrize(
    ("output", "sample", "said"),
    [(BROKEN, FINE, "step 2 of 2 the guided prediction"), (FINE, BROKEN, "step 2 of 2 the sample after it")],
)
def test_the_step_that_broke_is_named(output: torch.Tensor, sample: torch.Tensor, said: str) -> None:
    check = planned(2)
    check.step(501, FINE, FINE)
    check.step(1, output, sample)
    with pytest.raises(PipelineError, match=f"at {said} had NaN or infinity: use float32"):
        check.check_finite()


def test_a_run_is_whole_after_its_last_step() -> None:
    check = planned(2)
    for taken in range(2):
        with pytest.raises(PipelineError, match=f"stopped after step {taken} of 2"):
            check.check_whole()
        check.step(1, FINE, FINE)
    check.check_whole()


def test_a_run_without_a_step_is_not_whole() -> None:
    with pytest.raises(PipelineError, match="stopped after step 0 of 0"):
        RunCheck().check_whole()


class Decoder(nn.Module):
    """Decodes to what is not finite."""

    def forward(self, _latents: torch.Tensor) -> Any:
        return (BROKEN, FINE) if self.training else BROKEN


@pytest.mark.parametrize("training", [False, True], ids=["a tensor", "a tuple"])
def test_the_picture_is_looked_at_in_the_pipeline_s_own_calls_after_its_steps(training: bool) -> None:
    pipe, other, check = Calling(), Calling(), planned(1)
    decoder = Decoder().train(training)
    pipe.vae = SimpleNamespace(decoder=decoder)
    with check.attached(pipe):
        pipe(lambda: decoder(FINE))  # before the first step, such as of a picture to start from
        check.step(1, FINE, FINE)
        other(lambda: decoder(FINE))
        decoder(FINE)
        check.check_finite()
        pipe(lambda: decoder(FINE))
    with pytest.raises(PipelineError, match="at the end of the run the decoded picture had NaN"):
        check.check_finite()
    assert not decoder._forward_hooks


def test_a_pipeline_without_a_decoder_has_nothing_to_look_at() -> None:
    check = planned(1)
    for pipe in (Calling(), SimpleNamespace(vae=SimpleNamespace(decoder=len))):
        with check.attached(pipe):
            pass
    check.check_finite()
