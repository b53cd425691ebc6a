"""Monotonicity: does the concept grow with the scale, from negative to positive, fresh and transferred?"""

from collections.abc import Iterator

import numpy as np

from sega_store.records.dtypes import Array
from sega_vectors.study import drawing
from sega_vectors.study.evidence import Evidence
from sega_vectors.study.findings import Figure, Findings, Rate, Table, number
from sega_vectors.study.plan import Pair, Plan
from sega_vectors.study.runs import Noise, Run

TITLE = "Monotonicity"
FACTORS = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
KINDS = ("SEGA", "same noise")
TIES_DIGITS = 2


def _prompt(plan: Plan, pair: Pair, concept: str) -> tuple[str, bool]:
    """The prompt to scale on, and whether it names the concept; every other pair's does."""
    names = plan.pairs.index(pair) % 2 == 1
    return (plan.named(pair.other_style, concept) if names else pair.other_style), names


def _scaled(plan: Plan, pair: Pair, concept: str, kind: str, factor: float) -> Run:
    """The run at a multiple of the usual scale."""
    prompt, _ = _prompt(plan, pair, concept)
    plain = Run(prompt, Noise(pair.seed))
    if factor == 0:
        return plain
    if kind == "SEGA":
        usual = plan.concept(concept).edit_guidance_scale
        return plain.sega(plan.concept(concept, edit_guidance_scale=factor * usual))
    vector = plan.applied(plan.recorded(concept, pair), edit_guidance_scale=factor * plan.apply_scale)
    return plan.run(prompt, pair.seed, vector)


def runs(plan: Plan) -> Iterator[Run]:
    """All scales of both kinds."""
    for pair in plan.few_pairs:
        for concept in plan.concepts:
            for kind in KINDS:
                yield from (_scaled(plan, pair, concept, kind, factor) for factor in FACTORS)


def findings(evidence: Evidence) -> Findings:
    """Spearman's ρ between scale and probability, and where the probability stops growing."""
    plan = evidence.plan
    rows, tables, curves = [], [], {}
    for concept in plan.concepts:
        for kind in KINDS:
            curve = [
                [evidence.probability(_scaled(plan, p, concept, kind, factor), concept) for factor in FACTORS]
                for p in plan.few_pairs
            ]
            curves[concept, kind] = np.array(curve)
            for pair, probabilities in zip(plan.few_pairs, curve, strict=True):
                prompt, names = _prompt(plan, pair, concept)
                facts = {"kind": kind, "concept": concept, "prompt": prompt, "named": names, "seed": pair.seed}
                rows += [
                    {**facts, "factor": factor, "probability": probability}
                    for factor, probability in zip(FACTORS, probabilities, strict=True)
                ]
    tables.append(
        Table(
            "Spearman's ρ of scale and probability within each pair: median, middle half, share of pairs with ρ of .8"
            " and more; the mean probability at each multiple of the usual scale; pairs whose probability drops by"
            " more than .2 beyond its peak on the positive side",
            [
                "concept",
                "kind",
                "n",
                "median ρ",
                "ties within .01: median ρ",
                "middle half",
                "ρ ≥ .8",
                *(f"×{f:g}" for f in FACTORS),
                "breaks",
            ],
            [_summary(concept, kind, curve) for (concept, kind), curve in curves.items()],
        )
    )
    return Findings(
        [
            f"Nine scales from {FACTORS[0]:g} to {FACTORS[-1]:g} times the usual one, on prompts of another style than"
            " the recorded one, fresh and transferred at the same noise. Every other pair's prompt names the concept,"
            " so that there is something to take away on the negative side. A constant probability has no ρ and"
            " counts as 0. Where the judge is sure, differences far below a hundredth rank the scales, so ρ is given"
            " with probabilities rounded to hundredths, too."
        ],
        tables,
        [_curves(plan, curves), _strip(evidence)],
        rows,
    )


def _summary(concept: str, kind: str, curve: Array) -> list[str]:
    raw, rho = (
        np.array([spearman(np.array(FACTORS), line) for line in lines]) for lines in (curve, curve.round(TIES_DIGITS))
    )
    low, middle, high = np.percentile(rho, (25, 50, 75))
    positive = curve[:, FACTORS.index(0.0) :]
    breaks = (positive.max(axis=1) - positive[:, -1] > 0.2).sum()
    return [
        concept,
        kind,
        str(len(curve)),
        number(float(np.median(raw))),
        number(float(middle)),
        f"{number(float(low))} to {number(float(high))}",
        str(Rate.of(rho >= 0.8)),
        *(number(float(mean)) for mean in curve.mean(axis=0)),
        f"{breaks}/{len(curve)}",
    ]


def spearman(x: Array, y: Array) -> float:
    """Spearman's rank correlation, ties by their mean rank; 0 where y is constant."""
    from scipy.stats import spearmanr

    return 0.0 if np.ptp(y) == 0 else float(spearmanr(x, y).statistic)


def _curves(plan: Plan, curves: dict[tuple[str, str], Array]) -> Figure:
    columns = min(4, len(plan.concepts))
    lines = -(-len(plan.concepts) // columns)
    figure, axes = drawing.panels(columns, 2.7, 2.2, rows=lines)
    for place in axes.flat[len(plan.concepts) :]:
        place.set_axis_off()
    for index, concept in enumerate(plan.concepts):
        place = axes.flat[index]
        for kind in KINDS:
            for half, dashes in ((0, "-"), (1, "--")):
                mean = curves[concept, kind][half::2].mean(axis=0)
                label = f"{kind}, {'named' if half else 'not named'}"
                place.plot(FACTORS, mean, dashes, marker=".", color=drawing.KINDS[kind], label=label)
        place.set(title=concept, ylim=(-0.03, 1.03))
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    for place in axes[-1]:
        place.set_xlabel("multiple of the scale")
    return Figure(
        "monotonicity", "Mean probability of the concept over the scale; dashed: the prompt names it.", figure
    )


def _strip(evidence: Evidence) -> Figure:
    plan = evidence.plan
    lines = [(concept, pair) for concept in plan.concepts[:4] for pair in plan.few_pairs[:2]]
    runs = [[_scaled(plan, pair, concept, "same noise", factor) for factor in FACTORS] for concept, pair in lines]
    return Figure(
        "monotonicity-pictures",
        "Transferred vectors over the scale; the second row of each concept's prompt names it.",
        drawing.pictures(
            [[evidence.archive.picture(run) for run in line] for line in runs],
            [concept for concept, _ in lines],
            [f"×{factor:g}" for factor in FACTORS],
            [[evidence.shows(run, concept) for run in line] for (concept, _), line in zip(lines, runs, strict=True)],
        ),
        pixels=True,
    )
