"""Another noise: no way has seen the noise that it is tried at."""

from sega_vectors.study.another_noise import COUNTS, MIXED_SHARES, runs
from sega_vectors.study.runs import Derived, Nearest, with_needs

from .conftest import Finished
from .plans import small_plan


def test_nothing_made_of_several_vectors_has_seen_the_noise_it_is_tried_at() -> None:
    plan = small_plan(seeds=tuple(range(9)), tried=4, few=3)
    tried = 0
    for run in runs(plan):
        for use in run.applied:
            if isinstance(use.source, Derived | Nearest):
                tried += 1
                seeds = [parent.seed for parent in use.source.parents]
                assert run.noise.seed not in seeds
                assert len(set(seeds)) == len(seeds)
                if isinstance(use.source, Nearest):
                    assert set(seeds) == set(plan.seeds) - {run.noise.seed}
    assert tried > 10 * len(plan.few_pairs)


def test_means_are_of_as_many_as_there_are() -> None:
    plan = small_plan(seeds=tuple(range(9)), tried=4, few=2)
    counts = {
        len(use.source.parents)
        for run in runs(plan)
        for use in run.applied
        if isinstance(use.source, Derived) and use.source.how == "mean"
    }
    assert counts == {count for count in COUNTS if count <= 8}


def test_mixed_noises_are_tried_with_the_vector_of_the_one_mixed_in() -> None:
    plan = small_plan()
    others = {pair.seed: pair.other for pair in plan.pairs}
    mixed = [run for run in with_needs(runs(plan)) if run.noise.stored is not None]
    assert {run.noise.share for run in mixed} == set(MIXED_SHARES)
    for run in mixed:
        assert run.noise.stored == others[run.noise.seed]
        for use in run.applied:
            assert getattr(use.source, "seed", None) == run.noise.stored
    assert len(mixed) == 3 * len(MIXED_SHARES) * len(plan.few_pairs) * plan.few_concepts


def test_rows_are_every_way_and_every_mixture(finished: Finished) -> None:
    plan, rows = finished.study.plan, finished.findings["another-noise"].rows
    pairs = len(plan.few_pairs) * plan.few_concepts
    mixed = [row for row in rows if "share" in row]
    assert len(mixed) == 3 * len(MIXED_SHARES) * pairs
    ways = {row["way"] for row in rows if "share" not in row}
    assert len(rows) - len(mixed) == len(ways) * pairs
    assert {"plain", "SEGA", "same noise", "other noise", "mean of 2", "nearest noise"} <= ways
