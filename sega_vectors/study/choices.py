"""Choices: what the edit parameters, open-loop recording and the stored precision do to transfer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sega_vectors.study import drawing
from sega_vectors.study.evidence import Case, Evidence, place_runs
from sega_vectors.study.findings import Figure, Findings, Table
from sega_vectors.study.plan import Plan
from sega_vectors.study.rows import Row, median, number, rate, rate_in_place, rates_of, where
from sega_vectors.study.runs import Derived, Run, Source

TITLE = "Choices"
THRESHOLDS = (0.8, 0.85, 0.9, 0.95, 0.975, 0.99, 0.995)
SCALES = (0.33, 0.67, 1.0, 1.33, 1.67)
WARMUPS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4)
COOLDOWNS = (0.25, 0.4, 0.6, 0.8, 1.0)
MOMENTA = (0.0, 0.1, 0.3, 0.6)
DTYPES = ("float32", "float16", "bfloat16")
LOOPS = ("closed loop", "open loop")


def settings(plan: Plan) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """Every choice: the parameter's name, its value, and the edits that it means."""
    steps = int(plan.arguments.get("num_inference_steps", 50))
    for value in THRESHOLDS:
        if value >= plan.concept(plan.concepts[0]).keep_threshold:
            yield "edit_threshold", value, {"edit_threshold": value}
    for value in SCALES:
        yield "edit_guidance_scale", value, {"edit_guidance_scale": value * plan.apply_scale}
    for value in WARMUPS:
        yield "edit_warmup_steps", value, {"edit_warmup_steps": round(value * steps)}
    for value in COOLDOWNS:
        yield "edit_cooldown_steps", value, {"edit_cooldown_steps": round(value * steps)} if value < 1 else {}
    for value in MOMENTA:
        yield "edit_momentum_scale", value, {"edit_momentum_scale": value}
    for name in DTYPES:
        yield "dtype", name, {}
    for name in LOOPS:
        yield "loop", name, {}
    yield "loop", "open loop, scale as recorded", {"edit_guidance_scale": plan.concept("x").edit_guidance_scale}


def cases(plan: Plan) -> Iterator[Case]:
    """Every choice on every pair."""
    for name, value, edits in settings(plan):
        for concept in plan.leading_concepts:
            for pair in plan.few_pairs:
                recorded = plan.recorded(concept, pair)
                source: Source = recorded
                if name == "dtype" and value != "float32":
                    source = Derived(value, (recorded,))
                elif name == "loop" and value != "closed loop":
                    source = replace(recorded, guide=False)
                run = plan.run(pair.other_style, pair.seed, plan.applied(source, **edits))
                yield {"parameter": name, "value": value, "concept": concept, "seed": pair.seed}, run


def runs(plan: Plan) -> Iterator[Run]:
    """The runs of all cases, and what they are compared with."""
    yield from place_runs(plan, plan.leading_concepts)
    for facts, run in cases(plan):
        yield from (run.plain.sega(plan.concept(facts["concept"])), run)


def findings(evidence: Evidence) -> Findings:
    """Success, place and change elsewhere for every choice."""
    plan = evidence.plan
    rows = evidence.rows(cases(plan), "place", "in place", "elsewhere", "SSIM")
    table = Table(
        f"Transfer to another style at the same noise ({len(plan.few_pairs)} pairs a concept); every choice alone, the"
        " rest as in the plan; elsewhere: change outside SEGA's own region in grey levels of 255, SSIM with the plain"
        " run (both medians)",
        ["parameter", "value", *plan.leading_concepts, "all", "shown in place", "elsewhere", "SSIM"],
        [
            [
                name,
                f"{value:g}" if isinstance(value, float) else value,
                *rates_of(found, plan.leading_concepts),
                str(rate_in_place(found)),
                f"{median(found, 'elsewhere'):.2f}",
                number(median(found, "SSIM")),
            ]
            for name, value, _ in settings(plan)
            for found in [where(rows, parameter=name, value=value)]
        ],
    )
    return Findings(
        [
            "One choice at a time. Scales are multiples of the study's, warm-up and cool-down shares of the steps."
            " Rounding stored values and recording in open loop change the vector, everything else is"
            " chosen when it is applied."
        ],
        [table],
        [_plots(plan, rows)],
        rows,
    )


def _plots(plan: Plan, rows: Sequence[Row]) -> Figure:
    values: dict[str, list[float]] = {}
    for name, value, _ in settings(plan):
        if isinstance(value, float):
            values.setdefault(name, []).append(value)
    figure, axes = drawing.panels(len(values), 2.6, 2.3, rows=2)
    for (above, below), (name, x) in zip(axes.T, values.items(), strict=True):
        rates, elsewhere = {}, {}
        for concept in plan.leading_concepts:
            found = [where(rows, parameter=name, value=value, concept=concept) for value in x]
            rates[concept] = [rate(group) for group in found]
            elsewhere[concept] = np.array([[row["elsewhere"] for row in group] for group in found]).T
        drawing.rates_over(above, x, rates)
        drawing.spread_over(below, x, elsewhere)
        above.set_title(name, fontsize=8.5)
    axes[0, 0].set_ylabel("pictures that show it")
    axes[1, 0].set_ylabel("change elsewhere")
    axes[0, -1].legend(fontsize=6.5)
    return Figure("choices", "Success and change elsewhere over the edit parameters, each alone.", figure)
