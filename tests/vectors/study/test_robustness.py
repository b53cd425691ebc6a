"""Robustness: SEGA itself beside the plain run."""

from sega_vectors.study.robustness import runs
from sega_vectors.study.runs import with_needs

from .conftest import Finished
from .plans import small_plan


def test_each_concept_on_three_prompts_of_each_noise() -> None:
    plan = small_plan()
    made = with_needs(runs(plan))
    assert len(made) == len(plan.pairs) * 3 * (1 + len(plan.concepts))
    assert {run.plain for run in made} == {run for run in made if run == run.plain}
    assert {len({run.prompt for run in made if run.noise.seed == seed}) for seed in plan.seeds} == {3}


def test_rates_by_style_are_of_all_runs(finished: Finished) -> None:
    plan, found = finished.study.plan, finished.findings["robustness"]
    assert len(found.rows) == 2 * len(plan.concepts) * 3 * len(plan.pairs)
    sega = [row for row in found.rows if row["concept"] == "glasses" and row["kind"] == "SEGA"]
    styles = [[row["probability"] > 0.5 for row in sega if row["style"] == style] for style in plan.styles]
    assert sum(map(len, styles)) == len(sega) == 12
    first = found.tables[0].rows[0]
    assert first[0] == "glasses (12)"
    for cell, outcomes in zip(first[3:], styles, strict=True):
        assert cell.startswith(f"{sum(outcomes) / len(outcomes):.2f}".lstrip("0"))
