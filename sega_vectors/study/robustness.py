"""Robustness: how often SEGA itself makes a concept appear, over prompts, styles and noises."""

from collections.abc import Iterator
from typing import Any

from sega_vectors.study import drawing
from sega_vectors.study.evidence import Evidence
from sega_vectors.study.findings import Figure, Findings, Rate, Table
from sega_vectors.study.plan import Pair, Plan
from sega_vectors.study.rows import shown, where
from sega_vectors.study.runs import Noise, Run

TITLE = "Robustness: SEGA itself"


def _prompts(pair: Pair) -> tuple[str, str, str]:
    return pair.source, pair.same_style, pair.other_style


def runs(plan: Plan) -> Iterator[Run]:
    """Plain and with SEGA, on the three prompts of every pair."""
    for pair in plan.pairs:
        for prompt in _prompts(pair):
            plain = Run(prompt, Noise(pair.seed))
            yield plain
            yield from (plain.sega(plan.concept(concept)) for concept in plan.concepts)


def findings(evidence: Evidence) -> Findings:
    """Success without guidance and with it, by concept and by style."""
    plan = evidence.plan
    rows: list[dict[str, Any]] = []
    for concept in plan.concepts:
        for pair in plan.pairs:
            for prompt in _prompts(pair):
                plain = Run(prompt, Noise(pair.seed))
                sega = plain.sega(plan.concept(concept))
                style = next(s for s in plan.styles if prompt in [f"{s} {subject}" for subject in plan.subjects])
                for kind, run in (("plain", plain), ("SEGA", sega)):
                    rows.append(
                        {
                            "kind": kind,
                            "concept": concept,
                            "style": style,
                            "prompt": prompt,
                            "seed": pair.seed,
                            "probability": evidence.probability(run, concept),
                        }
                    )
    rates = {
        kind: [Rate.of(shown(where(rows, concept=concept, kind=kind))) for concept in plan.concepts]
        for kind in ("plain", "SEGA")
    }
    table = Table(
        "Share of pictures that show the concept, with 95% intervals; in brackets the number of prompt and noise pairs",
        ["concept", "plain", "SEGA", *(f"SEGA, {style}" for style in plan.styles)],
        [
            [
                f"{concept} ({len(where(rows, concept=concept, kind='plain'))})",
                *(str(rates[kind][i]) for kind in rates),
                *(str(Rate.of(shown(where(rows, concept=concept, kind="SEGA", style=style)))) for style in plan.styles),
            ]
            for i, concept in enumerate(plan.concepts)
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
