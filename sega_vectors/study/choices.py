"""Choices: what the edit parameters, open-loop recording and the stored precision do to transfer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sega_vectors.study import drawing
from sega_vectors.study.evidence import Evidence, place_runs
from sega_vectors.study.findings import Figure, Findings, Rate, Table, number
from sega_vectors.study.plan import Pair, Plan
from sega_vectors.study.rows import Row, median, shown, shown_in_place, where
from sega_vectors.study.runs import Derived, Recorded, Run, Source

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


def _run(plan: Plan, pair: Pair, concept: str, name: str, value: Any, edits: Mapping[str, Any]) -> Run:
    recorded = plan.recorded(concept, pair)
    source: Source = recorded
    if name == "dtype" and value != "float32":
        source = Derived(value, (recorded,))
    elif name == "loop" and value != "closed loop":
        source = Recorded(recorded.concept, recorded.prompt, recorded.seed, guide=False)
    return plan.run(pair.other_style, pair.seed, plan.applied(source, **edits))


def runs(plan: Plan) -> Iterator[Run]:
    """Every choice on every pair."""
    yield from place_runs(plan, plan.leading_concepts)
    for pair in plan.few_pairs:
        for concept in plan.leading_concepts:
            yield _run(plan, pair, concept, "", None, {}).plain.sega(plan.concept(concept))
            for choice in settings(plan):
                yield _run(plan, pair, concept, *choice)


def findings(evidence: Evidence) -> Findings:
    """Success, place and change elsewhere for every choice."""
    plan = evidence.plan
    rows = [
        {
            "parameter": name,
            "value": value,
            "concept": concept,
            "seed": pair.seed,
            "probability": evidence.probability(run, concept),
            "place": evidence.place(run, concept),
            "in place": evidence.in_place(run, concept),
            "elsewhere": evidence.elsewhere(run, concept),
            "SSIM": evidence.similarity(run),
        }
        for name, value, edits in settings(plan)
        for concept in plan.leading_concepts
        for pair in plan.few_pairs
        for run in [_run(plan, pair, concept, name, value, edits)]
    ]

    table = Table(
        f"Transfer to another style at the same noise ({len(plan.few_pairs)} pairs a concept); every choice alone, the"
        " rest as in the plan; elsewhere: change outside SEGA's own region in grey levels of 255, SSIM with the plain"
        " run (both medians)",
        ["parameter", "value", *plan.leading_concepts, "all", "shown in place", "elsewhere", "SSIM"],
        [
            [
                name,
                _label(value),
                *(str(Rate.of(shown(where(found, concept=concept)))) for concept in plan.leading_concepts),
                str(Rate.of(shown(found))),
                str(Rate.of(shown_in_place(found))),
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


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _plots(plan: Plan, rows: Sequence[Row]) -> Figure:
    names = [
        name
        for name in (
            "edit_threshold",
            "edit_guidance_scale",
            "edit_warmup_steps",
            "edit_cooldown_steps",
            "edit_momentum_scale",
        )
        if where(rows, parameter=name)
    ]
    figure, axes = drawing.panels(len(names), 2.6, 2.3, rows=2)
    for column, name in enumerate(names):
        values = list(dict.fromkeys(row["value"] for row in where(rows, parameter=name)))
        rates, elsewhere = {}, {}
        for concept in plan.leading_concepts:
            found = [where(rows, parameter=name, value=value, concept=concept) for value in values]
            rates[concept] = [Rate.of(shown(group)) for group in found]
            elsewhere[concept] = np.array([[r["elsewhere"] for r in group] for group in found]).T
        drawing.rates_over(axes[0, column], values, rates)
        drawing.spread_over(axes[1, column], values, elsewhere)
        axes[0, column].set_title(name, fontsize=8.5)
    axes[0, 0].set_ylabel("pictures that show it")
    axes[1, 0].set_ylabel("change elsewhere")
    axes[0, -1].legend(fontsize=6.5)
    return Figure("choices", "Success and change elsewhere over the edit parameters, each alone.", figure)
