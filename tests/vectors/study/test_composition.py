"""Composition: a difference of two vectors beside each of them alone, and SEGA's own way."""

from sega_vectors.study.composition import KINDS, runs
from sega_vectors.study.runs import Derived, Noise, Run

from .conftest import Finished
from .plans import small_plan


def test_the_prompt_names_what_is_to_go() -> None:
    plan = small_plan(swaps=(("beard", "glasses"),))
    pair = plan.few_pairs[0]
    plain, sega, difference, added, taken = list(runs(plan))[: len(KINDS)]
    assert plain == Run(f"{pair.other_style} with beard", Noise(pair.seed))
    assert {run.plain for run in (sega, difference, added, taken)} == {plain}
    beard, glasses = plan.recorded("beard", pair), plan.recorded("glasses", pair)
    assert [(c.text, c.reverse_editing_direction) for c in sega.fresh] == [("glasses", False), ("beard", True)]
    assert difference.applied == (plan.applied(Derived("difference", (glasses, beard))),)
    assert added.applied == (plan.applied(glasses),)
    assert taken.applied == (plan.applied(beard, edit_guidance_scale=-plan.apply_scale),)


def test_a_plan_without_swaps_composes_nothing() -> None:
    assert list(runs(small_plan(swaps=()))) == []


def test_rows_are_every_kind_of_every_swap(finished: Finished) -> None:
    plan, found = finished.study.plan, finished.findings["composition"]
    assert len(found.rows) == len(KINDS) * len(plan.swaps) * len(plan.few_pairs)
    assert [row[:2] for row in found.tables[0].rows] == [["glasses - beard", kind] for kind in KINDS]
