"""Monotonicity: does the concept grow with the scale, from negative to positive, fresh and transferred?"""

from collections.abc import Iterator

import numpy as np

from sega_store.records.dtypes import Array
from sega_vectors.study import drawing
from sega_vectors.study.evidence import Case, Evidence
from sega_vectors.study.findings import Figure, Findings, Table
from sega_vectors.study.plan import Pair, Plan
from sega_vectors.study.rows import Rate, number, where
from sega_vectors.study.runs import Noise, Run

TITLE = "Monotonicity"
FACTORS = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
KINDS = ("SEGA", "same noise")
TIES_DIGITS = 2


def _scaled(plan: Plan, pair: Pair, concept: str, kind: str) -> list[Run]:
    """The runs at all multiples of the usual scale, on a prompt that names the concept for every other pair."""
    named = plan.pairs.index(pair) % 2 == 1
    plain = Run(plan.named(pair.other_style, concept) if named else pair.other_style, Noise(pair.seed))

    def at(factor: float) -> Run:
        if factor == 0:
            return plain
        if kind == "SEGA":
            usual = plan.concept(concept).edit_guidance_scale
            return plain.sega(plan.concept(concept, edit_guidance_scale=factor * usual))
        vector = plan.applied(plan.recorded(concept, pair), edit_guidance_scale=factor * plan.apply_scale)
        return plan.run(plain.prompt, pair.seed, vector)

    return [at(factor) for factor in FACTORS]


def cases(plan: Plan) -> Iterator[Case]:
    """All scales of both kinds."""
    for concept in plan.concepts:
        for kind in KINDS:
            for pair in plan.few_pairs:
                for factor, run in zip(FACTORS, _scaled(plan, pair, concept, kind), strict=True):
                    prompt = {"prompt": run.prompt, "named": run.prompt != pair.other_style}
                    yield {"kind": kind, "concept": concept, **prompt, "seed": pair.seed, "factor": factor}, run


def runs(plan: Plan) -> Iterator[Run]:
    """The runs of all cases."""
    return (run for _, run in cases(plan))


def findings(evidence: Evidence) -> Findings:
    """Spearman's ρ between scale and probability, and where the probability stops growing."""
    plan = evidence.plan
    rows = evidence.rows(cases(plan))
    curves = {}
    for concept in plan.concepts:
        for kind in KINDS:
            found = [row["probability"] for row in where(rows, concept=concept, kind=kind)]
            curves[concept, kind] = np.array(found).reshape(-1, len(FACTORS))
    table = Table(
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
        [[concept, kind, *_summary(curve)] for (concept, kind), curve in curves.items()],
    )
    return Findings(
        [
            f"Nine scales from {FACTORS[0]:g} to {FACTORS[-1]:g} times the usual one, on prompts of another style than"
            " the recorded one, fresh and transferred at the same noise. Every other pair's prompt names the concept,"
            " so that there is something to take away on the negative side. A constant probability has no ρ and"
            " counts as 0. Where the judge is sure, differences far below a hundredth rank the scales, so ρ is given"
            " with probabilities rounded to hundredths, too."
        ],
        [table],
        [_curves(plan, curves), _strip(evidence)],
        rows,
    )


def _summary(curve: Array) -> list[str]:
    raw, rho = (
        np.array([spearman(np.array(FACTORS), line) for line in lines]) for lines in (curve, curve.round(TIES_DIGITS))
    )
    low, middle, high = np.percentile(rho, (25, 50, 75))
    positive = curve[:, FACTORS.index(0.0) :]
    breaks = (positive.max(axis=1) - positive[:, -1] > 0.2).sum()
    return [
        str(len(curve)),
        number(np.median(raw)),
        number(middle),
        f"{number(low)} to {number(high)}",
        str(Rate.of(rho >= 0.8)),
        *map(number, curve.mean(axis=0)),
        f"{breaks}/{len(curve)}",
    ]


def spearman(x: Array, y: Array) -> float:
    """Spearman's rank correlation, ties by their mean rank; 0 where y is constant."""
    from scipy.stats import spearmanr

    return 0.0 if np.ptp(y) == 0 else float(spearmanr(x, y).statistic)


def _curves(plan: Plan, curves: dict[tuple[str, str], Array]) -> Figure:
    columns = min(4, len(plan.concepts))
    figure, axes = drawing.panels(columns, 2.7, 2.2, rows=-(-len(plan.concepts) // columns))
    for place in axes.flat[len(plan.concepts) :]:
        place.set_axis_off()
    for place, concept in zip(axes.flat, plan.concepts, strict=False):
        for kind in KINDS:
            for half, dashes, named in ((0, "-", "not named"), (1, "--", "named")):
                mean = curves[concept, kind][half::2].mean(axis=0)
                place.plot(FACTORS, mean, dashes, marker=".", color=drawing.KINDS[kind], label=f"{kind}, {named}")
        place.set(title=concept, ylim=(-0.03, 1.03))
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    for place in axes[-1]:
        place.set_xlabel("multiple of the scale")
    return Figure(
        "monotonicity", "Mean probability of the concept over the scale; dashed: the prompt names it.", figure
    )


def _strip(evidence: Evidence) -> Figure:
    plan = evidence.plan
    return drawing.pictures(
        "monotonicity-pictures",
        "Transferred vectors over the scale; the second row of each concept's prompt names it.",
        [f"×{factor:g}" for factor in FACTORS],
        [
            (concept, evidence.framed(_scaled(plan, pair, concept, "same noise"), concept))
            for concept in plan.concepts[:4]
            for pair in plan.few_pairs[:2]
        ],
    )
