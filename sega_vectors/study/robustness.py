"""Robustness: how often SEGA itself makes a concept appear, over prompts, styles and noises."""

from collections.abc import Iterator

from sega_vectors.study import drawing
from sega_vectors.study.evidence import Case, Evidence
from sega_vectors.study.findings import Figure, Findings, Table
from sega_vectors.study.plan import Plan
from sega_vectors.study.rows import rate, where
from sega_vectors.study.runs import Noise, Run

TITLE = "Robustness: SEGA itself"
KINDS = ("plain", "SEGA")


def cases(plan: Plan) -> Iterator[Case]:
    """Plain and with SEGA, on the three prompts of every pair."""
    styles = {f"{style} {subject}": style for style in reversed(plan.styles) for subject in plan.subjects}
    for concept in plan.concepts:
        for pair in plan.pairs:
            for prompt in (pair.source, pair.same_style, pair.other_style):
                facts = {"concept": concept, "style": styles[prompt], "prompt": prompt, "seed": pair.seed}
                for kind, run in plan.ways(prompt, Noise(pair.seed), [plan.concept(concept)], {}).items():
                    yield {"kind": kind, **facts}, run


def runs(plan: Plan) -> Iterator[Run]:
    """The runs of all cases."""
    return (run for _, run in cases(plan))


def findings(evidence: Evidence) -> Findings:
    """Success without guidance and with it, by concept and by style."""
    plan = evidence.plan
    rows = evidence.rows(cases(plan))
    rates = {kind: [rate(rows, concept=concept, kind=kind) for concept in plan.concepts] for kind in KINDS}
    table = Table(
        "Share of pictures that show the concept, with 95% intervals; in brackets the number of prompt and noise pairs",
        ["concept", *KINDS, *(f"SEGA, {style}" for style in plan.styles)],
        [
            [
                f"{concept} ({len(found) // len(KINDS)})",
                *(str(rate(found, kind=kind)) for kind in KINDS),
                *(str(rate(found, kind="SEGA", style=style)) for style in plan.styles),
            ]
            for concept in plan.concepts
            for found in [where(rows, concept=concept)]
        ],
    )
    figure, axes = drawing.panels(1, max(5.0, 0.95 * len(plan.concepts)), 2.8)
    drawing.bars(axes[0, 0], plan.concepts, rates)
    axes[0, 0].set_ylabel("pictures that show it")
    axes[0, 0].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return Findings(
        [
            f"Each concept is run with SEGA itself over {3 * len(plan.pairs)} prompt and noise pairs"
            f" ({len(plan.pairs)} noises, three prompts each, {len(plan.styles)} styles), and each pair also plain."
        ],
        [table],
        [Figure("robustness", "Success of SEGA itself, with 95% intervals.", figure)],
        rows,
    )
