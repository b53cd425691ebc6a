"""The point of transfer: which runs are compared, and what the embedded model shows of it."""

from pathlib import Path

import numpy as np
import pytest

from sega_store import Library
from sega_vectors.judging.embedded_judge import Judge
from sega_vectors.study.plan import Plan, default_plan
from sega_vectors.study.rows import paired
from sega_vectors.study.runs import Derived, Noise, with_needs
from sega_vectors.study.study import Study
from sega_vectors.study.transfer import KINDS, by_kind, related_vectors, runs

from .conftest import Finished
from .plans import small_plan


def test_kinds_differ_in_what_guides_them_and_in_nothing_else() -> None:
    plan = small_plan()
    pair = plan.pairs[0]
    made = by_kind(plan, pair, pair.other_style, "glasses")
    assert tuple(made) == KINDS
    assert {(run.prompt, run.noise) for run in made.values()} == {(pair.other_style, Noise(pair.seed))}
    assert made["plain"] == made["plain"].plain
    assert made["SEGA"].fresh == (plan.concept("glasses"),)
    own, control = plan.recorded("glasses", pair), plan.control("glasses", pair)
    sources = [made[kind].applied[0].source for kind in KINDS[2:]]
    assert sources == [own, control, Derived("shuffled", (own,), float(pair.seed))]
    assert len({made[kind].applied[0].edits for kind in KINDS[2:]}) == 1
    assert len(set(made.values())) == len(KINDS)


@pytest.mark.parametrize("plan", [small_plan(seeds=(1, 2, 3, 4, 5), tried=5), default_plan("embedded")])
def test_related_vectors_are_recorded_and_differ_as_said(plan: Plan) -> None:
    recorded = set(with_needs(runs(plan)))
    for relation, related in related_vectors(plan).items():
        assert related
        for one, other in related:
            assert {one.run, other.run} <= recorded
            assert (one.seed == other.seed) == relation.startswith("same noise")
            assert (one.prompt == other.prompt) == ("other prompt" not in relation)
            assert (one.concept == other.concept) == ("other concept" not in relation)


def test_rows_are_every_kind_target_pair_and_concept(finished: Finished) -> None:
    plan, rows = finished.study.plan, finished.findings["transfer"].rows
    described = {(r["kind"], r["concept"], r["target"], r["seed"]) for r in rows}
    assert len(described) == len(rows) == len(KINDS) * len(plan.concepts) * 2 * len(plan.pairs)
    for row in rows:
        assert (row["recorded seed"] == row["seed"]) == (row["kind"] in ("same noise", "shuffled"))
        assert 0 <= row["probability"] <= 1
        assert row["kind"] == "plain" or 0 <= row["place"] <= 1 + 1e-9


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_vectors_work_at_their_noise_and_not_at_another(tmp_path: Path) -> None:
    plan = Plan.from_json(
        {
            **default_plan("embedded").to_json(),
            "concepts": ["glasses", "beard"],
            "seeds": list(range(90_000, 90_008)),
            "tried": 8,
            "few": 8,
            "swaps": [],
        }
    )
    study = Study(plan, ["transfer"], tmp_path, Library(tmp_path / "library"), "cpu")
    study.make()
    found = study.findings(study.evidence(Judge.load()))["transfer"]

    def outcomes(kind: str, column: str = "probability") -> list[bool]:
        return [row["probability"] > 0.5 and bool(row.get(column)) for row in found.rows if row["kind"] == kind]

    def median_place(kind: str) -> float:
        return float(np.median([row["place"] for row in found.rows if row["kind"] == kind]))

    rates = {kind: np.mean(outcomes(kind)) for kind in KINDS}
    for control in ("other noise", "shuffled"):
        for column in ("probability", "in place"):
            one, other, p = paired(outcomes("same noise", column), outcomes(control, column))
            assert one > other
            assert p < 0.01
        assert median_place("same noise") > median_place(control)
    assert rates["SEGA"] > rates["plain"]
