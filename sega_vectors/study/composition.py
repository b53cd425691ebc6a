"""Composition: arithmetic on stored vectors, `long hair - short hair`, on prompts that name the concept to remove."""

from collections.abc import Iterator
from dataclasses import replace
from operator import and_

from sega_vectors.judging.judges import SHOWN
from sega_vectors.study import drawing
from sega_vectors.study.evidence import Evidence
from sega_vectors.study.findings import Figure, Findings, Table
from sega_vectors.study.plan import Pair, Plan, evenly
from sega_vectors.study.rows import Rate, where
from sega_vectors.study.runs import Derived, Noise, Run

TITLE = "Composition"
KINDS = ("plain", "SEGA", "difference", "added alone", "taken away alone")


def _kinds(plan: Plan, pair: Pair, old: str, new: str) -> dict[str, Run]:
    """The runs of one swap on one pair, by kind."""
    gone, come = plan.recorded(old, pair), plan.recorded(new, pair)
    uses = {
        "difference": plan.applied(Derived("difference", (come, gone))),
        "added alone": plan.applied(come),
        "taken away alone": plan.applied(gone, edit_guidance_scale=-plan.apply_scale),
    }
    away = replace(plan.concept(old), reverse_editing_direction=True)
    return plan.ways(plan.named(pair.other_style, old), Noise(pair.seed), [plan.concept(new), away], uses)


def runs(plan: Plan) -> Iterator[Run]:
    """Every kind of every swap."""
    return (run for old, new in plan.swaps for pair in plan.few_pairs for run in _kinds(plan, pair, old, new).values())


def findings(evidence: Evidence) -> Findings:
    """How often the new concept appears, the old one goes, and both happen."""
    plan = evidence.plan
    rows = [
        {
            "kind": kind,
            "old": old,
            "new": new,
            "prompt": run.prompt,
            "seed": pair.seed,
            "probability of old": evidence.probability(run, old),
            "probability of new": evidence.probability(run, new),
        }
        for old, new in plan.swaps
        for pair in plan.few_pairs
        for kind, run in _kinds(plan, pair, old, new).items()
    ]
    table = Table(
        f"The prompt names the old concept; success of each half and of both ({len(plan.few_pairs)} pairs)",
        ["swap", "run", "new one shown", "old one gone", "both"],
        [
            [f"{new} - {old}", kind, *(str(Rate.of(outcomes)) for outcomes in (come, gone, map(and_, come, gone)))]
            for old, new in plan.swaps
            for kind in KINDS
            for found in [where(rows, old=old, new=new, kind=kind)]
            for come in [[row["probability of new"] > SHOWN for row in found]]
            for gone in [[row["probability of old"] <= SHOWN for row in found]]
        ],
    )
    return Findings(
        [
            "`new - old` is computed from two vectors of one noise that were recorded on another prompt, and applied as"
            " one vector. SEGA itself does the same with both concepts in the run, the old one reversed."
        ],
        [table],
        [_grid(evidence)] if plan.swaps else [],
        rows,
    )


def _grid(evidence: Evidence) -> Figure:
    plan = evidence.plan
    pairs = evenly(plan.few_pairs, 8)
    return drawing.pictures(
        "composition",
        "Each prompt names the old concept; below it the difference of two stored vectors applied. Framed: the new one"
        " is shown and the old one gone.",
        [pair.other_style for pair in pairs],
        [
            (
                f"{new} - {old}: {kind}",
                [
                    (evidence.archive.picture(run), evidence.shows(run, new) and not evidence.shows(run, old))
                    for run in (_kinds(plan, pair, old, new)[kind] for pair in pairs)
                ],
            )
            for old, new in plan.swaps
            for kind in ("plain", "difference")
        ],
    )
