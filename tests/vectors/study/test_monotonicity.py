"""Monotonicity: scales, and their rank correlation with what a judge says."""

import numpy as np
import pytest
from scipy.stats import pearsonr, rankdata

from sega_vectors.study.monotonicity import FACTORS, KINDS, runs, spearman
from sega_vectors.study.runs import with_needs

from .conftest import Finished
from .plans import small_plan


def test_ranks_alone_count() -> None:
    x = np.array(FACTORS)
    assert spearman(x, np.exp(x)) == pytest.approx(1)
    assert spearman(x, -(x**3)) == pytest.approx(-1)
    assert spearman(x, np.full(len(x), 0.3)) == 0


def test_ties_have_their_mean_rank() -> None:
    x, y = np.array(FACTORS), np.array([0, 0, 0, 0.1, 0.5, 0.4, 1, 1, 1])
    assert spearman(x, y) == pytest.approx(pearsonr(rankdata(x), rankdata(y)).statistic)
    assert spearman(x, y) < 1


def test_scales_go_from_negative_to_positive_through_the_plain_run() -> None:
    assert len(FACTORS) >= 9
    assert tuple(-factor for factor in reversed(FACTORS)) == FACTORS
    plan = small_plan()
    scales = {
        (run.fresh[0].edit_guidance_scale if run.fresh else dict(run.applied[0].edits)["edit_guidance_scale"])
        for run in runs(plan)
        if run != run.plain
    }
    assert {factor * usual for factor in FACTORS if factor for usual in (10.0, 15.0)} == scales
    plain = [run.prompt for run in with_needs(runs(plan)) if run == run.plain]
    assert [prompt.partition(" with ")[2] for prompt in plain] == ["", "glasses", "beard"], "every other noise names it"


def test_rows_are_every_scale_of_every_pair(finished: Finished) -> None:
    plan, rows = finished.study.plan, finished.findings["monotonicity"].rows
    assert len(rows) == len(FACTORS) * len(KINDS) * len(plan.concepts) * len(plan.few_pairs)
    assert {row["factor"] for row in rows} == set(FACTORS)
    for row in rows:
        assert row["named"] == row["prompt"].endswith(f"with {row['concept']}")
