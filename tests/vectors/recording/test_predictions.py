"""The predictions for concepts beside a denoiser's own calls, on a denoiser whose answers are known."""

import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sega_store import PipelineError
from sega_vectors.pipeline.denoiser import DenoiserCall
from sega_vectors.recording.conditioning import Conditioning
from sega_vectors.recording.predictions import Predictions, _rows

SHAPE = (1, 2, 2)
SAMPLE = torch.arange(4.0).reshape(1, *SHAPE)
TEXTS = {"": 0.0, "king": 1.0, "glasses": 10.0, "hat": 100.0}


class Adds(nn.Module):
    """Answers a sample plus its text's number, and remembers with how many rows it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def forward(self, sample: Tensor, text: Tensor) -> tuple[Tensor]:
        self.rows.append(sample.shape[0])
        return (sample + text.reshape(-1, 1, 1, 1),)


class Overwrites(Adds):
    """The same, into the memory of its previous answer, as CUDA graphs do."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = torch.empty(4, *SHAPE)

    def forward(self, sample: Tensor, text: Tensor) -> tuple[Tensor]:
        (found,) = super().forward(sample, text)
        return (self.memory[: len(found)].copy_(found),)


def call(*texts: str) -> tuple[Tensor, Tensor]:
    """The arguments of a denoiser call with a row a text."""
    return torch.cat([SAMPLE] * len(texts)), torch.tensor([TEXTS[text] for text in texts])


def conditioning(*rows: str, stackable: bool = True) -> Conditioning:
    """What is learnt of a call with these texts, of which "king" is the prompt."""
    king, empty = [i for i, text in enumerate(rows) if text], [i for i, text in enumerate(rows) if not text]

    def text(name: str) -> dict[int, Tensor]:
        return {1: call(*[name if row else "" for row in rows])[1]}

    return Conditioning(
        rows=len(rows),
        conditional=tuple(king),
        unconditional=tuple(empty),
        concepts=(text("glasses"), text("hat")),
        empty=None if empty else text(""),
        stackable=stackable,
    )


def assert_step(predictions: Predictions, own: list[float]) -> None:
    """The concepts' predictions are the sample plus their numbers; the pipeline's own plus these."""
    assert [float((p - SAMPLE).mean()) for p in predictions.own] == own
    found = predictions.of_step()
    assert torch.equal(found.base, SAMPLE)
    assert [float((p - SAMPLE).mean()) for p in found.concepts] == [10.0, 100.0]


@pytest.mark.parametrize("texts", [("", "king"), ("king", "")])
def test_rows_are_appended_to_one_call_and_the_pipeline_gets_its_own(texts: tuple[str, str]) -> None:
    denoiser = Adds()
    predictions = Predictions(lambda own: conditioning(*texts))
    with predictions.attached([denoiser]):
        for _ in range(2):
            (output,) = denoiser(*call(*texts))
            assert torch.equal(output, call(*texts)[0] + call(*texts)[1].reshape(-1, 1, 1, 1))
            assert_step(predictions, [0.0, 1.0])
    assert denoiser.rows == [4, 4]
    denoiser(*call("", "king"))
    assert denoiser.rows[-1] == 2


def test_texts_that_can_t_be_stacked_repeat_the_call() -> None:
    denoiser = Adds()
    predictions = Predictions(lambda own: conditioning("", "king", stackable=False))
    with predictions.attached([denoiser]):
        denoiser(*call("", "king"))
        assert_step(predictions, [0.0, 1.0])
    assert denoiser.rows == [2, 2, 2]


def test_a_call_for_each_half_repeats_the_last() -> None:
    denoiser = Adds()
    predictions = Predictions(lambda own: conditioning("king"))
    with predictions.attached([denoiser]):
        denoiser(*call("king"))
        denoiser(*call(""))
        assert_step(predictions, [1.0, 0.0])
    assert denoiser.rows == [1, 1, 2]


def test_without_guidance_the_empty_text_is_asked_for_too() -> None:
    denoiser = Adds()
    predictions = Predictions(lambda own: conditioning("king"))
    with predictions.attached([denoiser]):
        denoiser(*call("king"))
        assert_step(predictions, [1.0])
    assert denoiser.rows == [1, 3]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("no memory"), RuntimeError("one row only")])
def test_texts_take_turns_where_the_denoiser_fails_on_all_of_them(error: Exception) -> None:
    class Small(Adds):
        def forward(self, sample: Tensor, text: Tensor) -> tuple[Tensor]:
            found = super().forward(sample, text)
            if len(sample) > 1:
                raise error
            return found

    denoiser = Small()
    predictions = Predictions(lambda own: conditioning("king"))
    with predictions.attached([denoiser]):
        for _ in range(2):
            denoiser(*call("king"))
            assert_step(predictions, [1.0])
    assert denoiser.rows == [1, 3, 1, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("stackable", [True, False])
@pytest.mark.parametrize("texts", [["king"], ["king", ""]])
def test_predictions_outlive_a_denoiser_that_writes_over_its_output(texts: list[str], stackable: bool) -> None:
    denoiser = Overwrites()
    predictions = Predictions(lambda own: conditioning("king", stackable=stackable))
    with predictions.attached([denoiser]):
        for text in texts:
            denoiser(*call(text))
        assert_step(predictions, [TEXTS[text] for text in texts])


def test_appended_rows_outlive_it_too() -> None:
    denoiser = Overwrites()
    predictions = Predictions(lambda own: conditioning("", "king"))
    with predictions.attached([denoiser]):
        denoiser(*call("", "king"))
        denoiser.memory.fill_(7.0)
        assert_step(predictions, [0.0, 1.0])


def test_a_denoiser_that_fails_on_one_text_too_says_why() -> None:
    class Failing(Adds):
        def forward(self, sample: Tensor, text: Tensor) -> tuple[Tensor]:
            if float(text.max()) > 1:
                raise RuntimeError("no such text")
            return super().forward(sample, text)

    predictions = Predictions(lambda own: conditioning("king"))
    denoiser = Failing()
    with predictions.attached([denoiser]):
        denoiser(*call("king"))
        with pytest.raises(RuntimeError, match="no such text"):
            predictions.of_step()


def test_calls_with_another_number_of_rows_are_the_pipeline_s_alone() -> None:
    denoiser = Adds()
    predictions = Predictions(lambda own: conditioning("", "king"))
    with predictions.attached([denoiser]):
        denoiser(*call("", "king"))
        (output,) = denoiser(*call("king"))
        assert torch.equal(output, SAMPLE + 1)
        assert_step(predictions, [0.0, 1.0])
    assert denoiser.rows == [4, 1]


def test_a_step_without_a_call_is_refused() -> None:
    learnt: list[DenoiserCall] = []

    def learn(own: DenoiserCall) -> Any:
        learnt.append(own)
        return conditioning("", "king")

    denoiser = Adds()
    predictions = Predictions(learn)
    with predictions.attached([denoiser]):
        with pytest.raises(PipelineError, match="starts with a denoiser call, met none"):
            predictions.of_step()
        denoiser(*call("", "king"))
        predictions.of_step()
        with pytest.raises(PipelineError, match="must follow a denoiser call like the first step's, met one without"):
            predictions.of_step()
        denoiser(*call("", "king"))
        assert_step(predictions, [0.0, 1.0])
    assert [own.rows for own in learnt] == [2]


def test_what_was_watched_is_freed_once_it_is_learnt() -> None:
    class Learn:
        def __call__(self, own: DenoiserCall) -> Conditioning:
            return conditioning("", "king")

    learn, denoiser = Learn(), Adds()
    watched = weakref.ref(learn)
    predictions = Predictions(learn)
    del learn
    with predictions.attached([denoiser]):
        assert watched() is not None
        denoiser(*call("", "king"))
        assert watched() is None


def test_guidance_that_is_left_out_at_some_step_is_refused() -> None:
    learnt = conditioning("king")
    denoiser, predictions = Adds(), Predictions(lambda own: replace(learnt, empty=None))
    with predictions.attached([denoiser]):
        denoiser(*call("king"))
        denoiser(*call(""))
        assert_step(predictions, [1.0, 0.0])
        denoiser(*call("king"))
        with pytest.raises(PipelineError, match="classifier-free guidance at every step or at none"):
            predictions.of_step()


ROWS = [(0,), (3,), (0, 1), (2, 3), (0, 2), (1, 3), (0, 3), (0, 1, 3), (1, 2, 3), (0, 1, 2, 3)]


@pytest.mark.parametrize("rows", ROWS)
def test_rows_are_taken_in_their_order(rows: tuple[int, ...]) -> None:
    tensor = torch.arange(8.0).reshape(4, 2)
    taken = _rows(tensor, rows)
    assert torch.equal(taken, tensor[list(rows)])
    assert (taken.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()) == (rows != (0, 1, 3))
