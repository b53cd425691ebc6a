"""Choices: one is made at a time."""

from sega_vectors.study.choices import DTYPES, THRESHOLDS, runs, settings
from sega_vectors.study.runs import Derived, Recorded

from .conftest import Finished
from .plans import small_plan


def test_thresholds_are_those_that_the_recording_allows() -> None:
    for keep in (0.8, 0.9, 0.95):
        plan = small_plan(edit={"edit_threshold": keep, "keep_threshold": keep})
        chosen = [value for name, value, _ in settings(plan) if name == "edit_threshold"]
        assert chosen == [value for value in THRESHOLDS if value >= keep]


def test_warm_up_and_cool_down_are_shares_of_the_steps() -> None:
    plan = small_plan(arguments={"num_inference_steps": 20})
    chosen = {(name, value): edits for name, value, edits in settings(plan)}
    assert chosen["edit_warmup_steps", 0.4] == {"edit_warmup_steps": 8}
    assert chosen["edit_cooldown_steps", 0.25] == {"edit_cooldown_steps": 5}
    assert chosen["edit_cooldown_steps", 1.0] == {}
    assert chosen["edit_guidance_scale", 0.33] == {"edit_guidance_scale": 0.33 * plan.apply_scale}


def test_precisions_and_loops_change_the_vector() -> None:
    plan = small_plan()
    sources = {use.source for run in runs(plan) for use in run.applied if run.noise.seed == plan.pairs[0].seed}
    own = plan.recorded("glasses", plan.pairs[0])
    unguided = Recorded(own.concept, own.prompt, own.seed, guide=False)
    assert sources == {own, unguided, *(Derived(name, (own,)) for name in DTYPES[1:])}


def test_rows_are_every_choice_of_every_pair(finished: Finished) -> None:
    plan, rows = finished.study.plan, finished.findings["choices"].rows
    assert len(rows) == len(list(settings(plan))) * plan.few_concepts * len(plan.few_pairs)
    assert all(-1 <= row["SSIM"] <= 1 + 1e-6 and row["elsewhere"] >= 0 for row in rows)


def test_a_choice_that_changes_nothing_gives_one_result(finished: Finished) -> None:
    rows = finished.findings["choices"].rows
    usual = [("dtype", "float32"), ("loop", "closed loop"), ("edit_guidance_scale", 1.0)]
    found = [[row["probability"] for row in rows if (row["parameter"], row["value"]) == choice] for choice in usual]
    assert found[0] == found[1] == found[2]
