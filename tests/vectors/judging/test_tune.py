"""Tuning: what is tried, and what is recommended."""

from dataclasses import replace

import pytest

from sega_vectors import InvalidInputError
from sega_vectors.judging.trials import change
from sega_vectors.judging.tune import Tried, recommend, settings, tune
from tests.vectors.judging.test_trials import recorded, trials


def tried(shown: int, change: float, of: int = 20) -> Tried:
    return Tried({}, shown, of, change)


def test_by_default_what_is_tried_lies_around_what_was_recorded() -> None:
    (vector, _), _ = recorded()
    edits = settings(vector)
    assert {edit["edit_guidance_scale"] for edit in edits} == {10.0, 20.0, 30.0, 40.0}
    assert {edit["edit_threshold"] for edit in edits} == {0.8, 0.9, 0.95}
    assert {edit["edit_warmup_steps"] for edit in edits} == {0, 1, 2}
    assert len(edits) == 4 * 3 * 3
    late = replace(vector, concept=replace(vector.concept, edit_warmup_steps=2))
    assert {edit["edit_warmup_steps"] for edit in settings(late)} == {0, 2}, "4 of 3 steps would be nothing"


def test_what_is_given_is_tried_once() -> None:
    (vector, _), _ = recorded()
    edits = settings(vector, scales=[5, 6, 5], thresholds=[0.9], warmups=[1])
    assert edits == [
        {"edit_guidance_scale": 5, "edit_threshold": 0.9, "edit_warmup_steps": 1},
        {"edit_guidance_scale": 6, "edit_threshold": 0.9, "edit_warmup_steps": 1},
    ]
    with pytest.raises(InvalidInputError, match="looser than the recording"):
        settings(vector, thresholds=[0.9, 0.5])
    with pytest.raises(InvalidInputError, match="edit_warmup_steps"):
        settings(vector, warmups=[-1])


def test_every_setting_is_measured_on_the_same_trials() -> None:
    (vector, _), _ = recorded()
    series = trials()
    edits = settings(vector, scales=[0.0, 5.0, 40.0], thresholds=[0.8], warmups=[0])
    counts: list[int] = []
    plain, found = tune(series, vector, edits, counts.append)
    assert sum(counts) == 4 * series.size
    assert plain.shows == pytest.approx(series.run().shows)
    assert [one.edit for one in found] == edits
    assert found[0].change == 0
    assert found[0].shown == plain.shown
    assert 0 < found[1].change < found[2].change
    outcome = series.run(vector, edits[2])
    assert (found[2].shown, found[2].of) == (outcome.shown, 3)
    assert found[2].change == pytest.approx(change(outcome, plain))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([(10, 0.1)], 0),
        ([(20, 0.3), (20, 0.2), (19, 0.1)], 1),  # the best one's lower end is 0.952: 19 of 20 is less
        ([(16, 0.3), (14, 0.2), (13, 0.1)], 1),  # 0.697: 14 of 20 is enough as well
        ([(5, 0.1), (10, 0.5), (9, 0.4)], 2),
        ([(0, 0.2), (0, 0.1)], 1),
    ],
)
def test_the_mildest_within_one_standard_error_of_the_best_is_recommended(
    found: list[tuple[int, float]], expected: int
) -> None:
    made = [tried(*one) for one in found]
    assert recommend(made) is made[expected]


def test_rounding_does_not_leave_the_best_out() -> None:
    """Of 0 of 9, the lower end is a little more than 0."""
    assert recommend([tried(0, 0.2, of=9), tried(0, 0.1, of=9)]).change == 0.1
