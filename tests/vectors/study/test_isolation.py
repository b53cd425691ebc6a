"""Isolation: which concepts are applied together."""

import pytest

from sega_vectors.study.isolation import MOST, runs
from sega_vectors.study.runs import Recorded, Run, with_needs

from .conftest import Finished
from .plans import small_plan

TEXTS = ("glasses", "beard", "hat", "smile", "red hair", "long hair")


def together(run: Run) -> tuple[str, ...]:
    """The concepts whose vectors are applied."""
    return tuple(use.source.concept.text for use in run.applied if isinstance(use.source, Recorded))


@pytest.mark.parametrize("count", [1, 2, 6])
def test_each_alone_each_pair_and_each_in_a_crowd(count: int) -> None:
    plan = small_plan(concepts=TEXTS[:count])
    made = [run for run in with_needs(runs(plan)) if not run.fresh]
    for pair in plan.few_pairs:
        sets = [frozenset(together(run)) for run in made if run.noise.seed == pair.seed]
        assert len(sets) == len(set(sets)), "the order of concepts makes no other run"
        expected = [count * (size == 1) + (size == 0) for size in range(2)]
        expected += [count * (count - 1) // 2] if count > 1 else []
        expected += [count] * (min(MOST, count) - 2)
        assert [sum(len(each) == size for each in sets) for size in range(len(expected))] == expected
        assert max(map(len, sets)) == min(MOST, count)


def test_rows_are_each_on_each_and_each_beside_each(finished: Finished) -> None:
    plan, rows = finished.study.plan, finished.findings["isolation"].rows
    noises, concepts = len(plan.few_pairs), len(plan.concepts)
    alone = [row for row in rows if "beside" not in row]
    assert len(alone) == noises * concepts**2
    assert len(rows) - len(alone) == noises * concepts * (concepts - 1)
    assert all(row["judged"] == row["applied"] != row["beside"] for row in rows if "beside" in row)
