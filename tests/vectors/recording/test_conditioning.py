"""Learning where the text enters, from calls made by hand."""

from typing import Any

import pytest
import torch
from torch import Tensor

from sega_store import PipelineError
from sega_vectors.pipeline.denoiser import DenoiserCall
from sega_vectors.recording.conditioning import Conditioning, differing_leaves

SAMPLE, TIMES, TEXTS, POOLED = range(4)  # places of the leaves


def row(number: float, tokens: int = 3) -> Tensor:
    """A text's embedding."""
    return torch.full((tokens, 2), number)


def call(*texts: Tensor, pooled: list[float] | None = None, sample: float = 0.0) -> DenoiserCall:
    """A call with a row for each text, and time ids that know no text."""
    rows = len(texts)
    more = {} if pooled is None else {"pooled": torch.tensor(pooled)[:, None]}
    samples, times = torch.full((rows, 4, 2, 2), sample), torch.ones(rows, 6)
    return DenoiserCall.of((samples, times), {"texts": torch.stack(texts), **more})


def test_rows_and_leaves_that_differ_are_the_text_s() -> None:
    own = call(row(0), row(1), pooled=[0, 10])
    glasses, hat = call(row(0), row(2), pooled=[0, 20]), call(row(0), row(3), pooled=[0, 30])
    found = Conditioning.learn(own, [glasses, hat], None, 1)
    assert (found.rows, found.conditional, found.unconditional) == (2, (1,), (0,))
    assert [set(leaves) for leaves in found.concepts] == [{TEXTS, POOLED}] * 2
    assert found.concepts[0][TEXTS] is glasses.leaves[TEXTS]
    assert found.concepts[1][POOLED] is hat.leaves[POOLED]
    assert found.empty is None
    assert found.stackable
    assert found.grouped


def test_the_prompt_s_rows_may_come_first() -> None:
    found = Conditioning.learn(call(row(1), row(0)), [call(row(2), row(0))], None, 1)
    assert (found.conditional, found.unconditional) == ((0,), (1,))


@pytest.mark.parametrize(
    ("own", "other", "conditional", "grouped"),
    [([0, 0, 1, 2], [0, 0, 3, 3], (2, 3), True), ([0, 1, 0, 2], [0, 3, 0, 3], (1, 3), False)],
)
def test_rows_of_a_batch_are_in_blocks_or_alternate(
    own: list[float], other: list[float], conditional: tuple[int, ...], grouped: bool
) -> None:
    found = Conditioning.learn(call(*map(row, own)), [call(*map(row, other))], None, 2)
    assert found.conditional == conditional
    assert set(found.unconditional) == set(range(4)) - set(conditional)
    assert found.grouped == grouped


def test_without_unconditional_rows_all_rows_are_the_prompt_s_and_the_empty_text_is_kept() -> None:
    empty = call(row(0))
    found = Conditioning.learn(call(row(1)), [call(row(2))], empty, 1)
    assert (found.rows, found.conditional, found.unconditional) == (1, (0,), ())
    assert found.empty == {TEXTS: empty.leaves[TEXTS]}


def test_the_empty_text_alone_may_tell_a_leaf() -> None:
    """A concept that is also the prompt differs from it nowhere."""
    found = Conditioning.learn(call(row(1)), [call(row(1))], call(row(0)), 1)
    assert set(found.concepts[0]) == {TEXTS}


def test_what_differs_for_another_reason_is_left_out() -> None:
    own, other = call(row(0), row(1), sample=5), call(row(0), row(2), sample=6)
    assert differing_leaves(own, other) == {SAMPLE, TEXTS}
    found = Conditioning.learn(own, [other], None, 1, not_text={SAMPLE})
    assert set(found.concepts[0]) == {TEXTS}
    assert found.conditional == (1,)


def test_texts_of_another_length_cannot_stand_beside_the_own_rows() -> None:
    """Only the tokens that both have tell the rows apart; the unconditional row is padded, and so rounded otherwise."""
    own, longer = call(row(7), row(1)), call(row(7 * (1 + 5e-4), tokens=5), row(2, tokens=5))
    found = Conditioning.learn(own, [longer], None, 1)
    assert (found.conditional, found.unconditional) == ((1,), (0,))
    assert found.concepts[0][TEXTS].shape == (2, 5, 2)
    assert not found.stackable


def test_an_unconditional_row_that_differs_by_more_than_rounding_is_the_text_s() -> None:
    with pytest.raises(PipelineError, match="met 2 and 0 for 1 pictures"):
        Conditioning.learn(call(row(7), row(1)), [call(row(7 * (1 + 5e-3)), row(2))], None, 1)


def test_a_leaf_that_knows_the_text_s_length_in_every_row_does_not_hide_the_rows() -> None:
    own, other = call(row(0), row(1), pooled=[3, 3]), call(row(0), row(2), pooled=[5, 5])
    found = Conditioning.learn(own, [other], None, 1)
    assert (found.conditional, found.unconditional) == ((1,), (0,))
    assert set(found.concepts[0]) == {TEXTS, POOLED}


def test_numbers_and_words_carry_the_text_too() -> None:
    def with_length(number: float, length: Any) -> DenoiserCall:
        return DenoiserCall.of((torch.zeros(1, 4),), {"length": length, "text": row(number)[None]})

    found = Conditioning.learn(with_length(1, 3), [with_length(2, 5)], None, 1)
    assert found.concepts[0][1] == 5
    assert not found.stackable, "a number has no rows"


@pytest.mark.parametrize(
    ("lengths", "stackable"),
    [
        ((torch.tensor([3.0, 3.0]), torch.tensor([3.0, 5.0])), True),  # a number a row
        ((torch.tensor(3.0), torch.tensor(5.0)), False),
        ((torch.tensor([3.0, 3.0]), 5), False),
        ((3, torch.tensor([3.0, 5.0])), False),
        ((torch.tensor([3.0]), torch.tensor([5.0])), False),
        ((None, "five"), False),
    ],
)
def test_a_text_s_length_may_be_any_argument(lengths: tuple[Any, Any], stackable: bool) -> None:
    def with_length(number: float, length: Any) -> DenoiserCall:
        return DenoiserCall.of((torch.zeros(2, 4),), {"length": length, "texts": torch.stack([row(0), row(number)])})

    own, other = with_length(1, lengths[0]), with_length(2, lengths[1])
    assert differing_leaves(own, other) == {1, 2}
    assert differing_leaves(own, own) == set()
    found = Conditioning.learn(own, [other], None, 1)
    assert (found.conditional, found.unconditional) == ((1,), (0,))
    assert found.concepts[0][1] is lengths[1]
    assert found.stackable == stackable


def listed(*texts: Tensor) -> DenoiserCall:
    """A call whose rows are elements of lists."""
    return DenoiserCall.of(([torch.zeros(4, 2, 2) for _ in texts], 7), {"texts": list(texts)})


def test_rows_in_lists_are_told_by_their_places() -> None:
    own, other = listed(row(1), row(2), row(0), row(0)), listed(row(3, 5), row(3, 5), row(0), row(0))
    found = Conditioning.learn(own, [other], None, 2)
    assert (found.rows, found.conditional, found.unconditional) == (4, (0, 1), (2, 3))
    assert set(found.concepts[0]) == {5, 6}, "four samples and a timestep come before"
    assert found.concepts[0][5] is other.leaves[5]
    assert not found.stackable


@pytest.mark.parametrize(
    ("own", "other", "num_samples", "message"),
    [
        ([0, 1], [0, 1], 1, r"met 0 and 2 for 1 pictures\. If the prompt does not reach the denoiser"),
        ([0, 1, 0], [0, 2, 0], 1, "met 1 and 2 for 1 pictures"),
        ([0, 1, 2], [0, 3, 3], 1, "met 2 and 1 for 1 pictures"),
        ([1], [1], 1, "met 0 and 0 for 1 pictures"),
    ],
    ids=["equal", "two unconditional rows", "two conditional rows", "equal and alone"],
)
def test_other_schemes_are_refused(own: list[float], other: list[float], num_samples: int, message: str) -> None:
    with pytest.raises(PipelineError, match=f"one conditional row a picture, .* {message}"):
        Conditioning.learn(call(*map(row, own)), [call(*map(row, other))], None, num_samples)


def test_calls_of_another_structure_are_refused() -> None:
    own, other = listed(row(0), row(1)), listed(row(0), row(1), row(2))
    with pytest.raises(PipelineError, match=r"one structure for all prompts, met \[5, 7\] leaves: record prompt and"):
        Conditioning.learn(own, [other], None, 1)
