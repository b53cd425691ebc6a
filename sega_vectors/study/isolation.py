"""Isolation: does applying one concept leave the others alone, and does it still work beside them?"""

from collections.abc import Iterator
from functools import cache
from itertools import combinations, permutations
from typing import Any

import numpy as np

from sega_store.analysis.similarity import overlap
from sega_store.records.dtypes import Array
from sega_vectors.study import drawing
from sega_vectors.study.evidence import Evidence
from sega_vectors.study.findings import Figure, Findings, Table
from sega_vectors.study.plan import Pair, Plan, others_of
from sega_vectors.study.rows import Rate
from sega_vectors.study.runs import Run

TITLE = "Isolation"
MOST = 5


def _together(plan: Plan, pair: Pair, *concepts: str) -> Run:
    """The run with the vectors of some concepts, in the plan's order."""
    ordered = [text for text in plan.concepts if text in concepts]
    vectors = [plan.applied(plan.recorded(text, pair)) for text in ordered]
    return plan.run(pair.other_style, pair.seed, *vectors)


def _crowds(plan: Plan, concept: str) -> list[list[str]]:
    """A concept alone, and with more and more others, those that follow it in the plan."""
    crowd = [concept, *others_of(plan.concepts, plan.concepts.index(concept))]
    return [crowd[:size] for size in range(1, min(MOST, len(crowd)) + 1)]


def runs(plan: Plan) -> Iterator[Run]:
    """Each concept alone, each pair of concepts, and each concept with more and more others."""
    sets = [[], *combinations(plan.concepts, 2), *(crowd for text in plan.concepts for crowd in _crowds(plan, text))]
    return (_together(plan, pair, *concepts) for pair in plan.few_pairs for concepts in sets)


def findings(evidence: Evidence) -> Findings:
    """What applying A does to B, and what B does to the success of A."""
    plan = evidence.plan
    concepts, pairs = plan.concepts, plan.few_pairs

    @cache
    def shown(judged: str, *applied: str) -> list[bool]:
        return [evidence.shows(_together(plan, pair, *applied), judged) for pair in pairs]

    rows: list[dict[str, Any]] = [
        {"applied": a, "judged": b, "seed": pair.seed, "plain": before, "with": after}
        for a in concepts
        for b in concepts
        for pair, before, after in zip(pairs, shown(b), shown(b, a), strict=True)
    ]
    changed = Table(
        f"Off target ({len(pairs)} pairs): how often applying A changes the judge's verdict on the other concepts"
        " against the plain run, and how often they are shown without and with A, over all of them",
        ["A", "its own success", "verdicts on others that change", "others shown without A", "others shown with A"],
        [
            [
                a,
                str(Rate.of(shown(a, a))),
                str(Rate.of(row["plain"] != row["with"] for row in others)),
                str(Rate.of(row["plain"] for row in others)),
                str(Rate.of(row["with"] for row in others)),
            ]
            for a in concepts
            for others in [[row for row in rows if row["applied"] == a != row["judged"]]]
            if others
        ],
    )
    crowd = {a: [Rate.of(shown(a, *group)) for group in _crowds(plan, a)] for a in concepts}
    sizes = range(1, len(crowd[concepts[0]]))
    together = Table(
        "Success of A as more concepts are applied with it (those that follow it in the list)",
        ["A", "alone", *(f"with {n} other{'s' if n > 1 else ''}" for n in sizes)],
        [[concept, *map(str, rates)] for concept, rates in crowd.items()],
    )
    off = np.array([[np.mean(shown(b, a)) - np.mean(shown(b)) for b in concepts] for a in concepts])
    loss = np.full_like(off, np.nan)
    for (i, a), (j, b) in permutations(enumerate(concepts), 2):
        loss[i, j] = np.mean(shown(a, a, b)) - np.mean(shown(a, a))
    rows += [
        {"applied": a, "judged": a, "beside": b, "seed": pair.seed, "with": after}
        for a, b in permutations(concepts, 2)
        for pair, after in zip(pairs, shown(a, a, b), strict=True)
    ]
    return Findings(
        [
            "Each vector is applied alone, with each other, and with more and more others, on a prompt of another style"
            " at the noise of the recording. Where two values exclude each other, as red and blue hair do, success of"
            " one must cost the other."
        ],
        [changed, together],
        [_matrices(concepts, off, loss, _overlaps(evidence)), _crowd(crowd)],
        rows,
    )


def _overlaps(evidence: Evidence) -> Array:
    """The mean Jaccard overlap of two concepts' supports at one noise and prompt, shape (K, K)."""
    plan = evidence.plan
    result = np.full((len(plan.concepts),) * 2, np.nan)
    for (i, a), (j, b) in combinations(enumerate(plan.concepts), 2):
        pairs = ((evidence.vector(plan.recorded(a, p)), evidence.vector(plan.recorded(b, p))) for p in plan.few_pairs)
        result[i, j] = result[j, i] = np.mean([np.nanmean(overlap(one, other)) for one, other in pairs])
    return result


def _matrices(concepts: tuple[str, ...], off: Array, loss: Array, shared: Array) -> Figure:
    side = max(3.4, 0.52 * len(concepts) + 1)
    figure, axes = drawing.panels(3, side, side * 0.85)
    drawing.matrix(axes[0, 0], off, concepts, concepts, "RdBu_r", 1.0)
    axes[0, 0].set(title="change in the rate of B (column)\nwhen A (row) is applied")
    drawing.matrix(axes[0, 1], loss, concepts, concepts, "RdBu_r", 1.0)
    axes[0, 1].set(title="change in the success of A (row)\nwhen B (column) is applied too")
    drawing.matrix(axes[0, 2], shared, concepts, concepts, "Blues", max(0.3, float(np.nanmax(shared, initial=0))))
    axes[0, 2].set(title="overlap of supports (Jaccard)\nat one noise and prompt")
    return Figure("isolation", "Left: the diagonal is success, the rest is off target.", figure)


def _crowd(crowd: dict[str, list[Rate]]) -> Figure:
    figure, axes = drawing.panels(1, 5.2, 3.2)
    for index, (concept, rates) in enumerate(crowd.items()):
        successes = [rate.value for rate in rates]
        axes[0, 0].plot(range(len(rates)), successes, marker="o", color=drawing.COLOURS[index % 10], label=concept)
    axes[0, 0].set(xlabel="other vectors applied with it", ylabel="pictures that show it", ylim=(-0.02, 1.02))
    axes[0, 0].set_xticks(range(len(rates)))
    axes[0, 0].legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=7)
    return Figure("isolation-crowd", "Success as more concepts are applied together.", figure)
