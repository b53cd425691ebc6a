"""Isolation: does applying one concept leave the others alone, and does it still work beside them?"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from sega_store.analysis.similarity import overlap
from sega_store.records.dtypes import Array
from sega_vectors.study import drawing
from sega_vectors.study.evidence import Evidence
from sega_vectors.study.findings import Figure, Findings, Rate, Table
from sega_vectors.study.plan import Pair, Plan
from sega_vectors.study.runs import Run

TITLE = "Isolation"
MOST = 5


def _together(plan: Plan, pair: Pair, *concepts: str) -> Run:
    """The run with the vectors of some concepts, in the plan's order."""
    ordered = [text for text in plan.concepts if text in concepts]
    vectors = [plan.applied(plan.recorded(text, pair)) for text in ordered]
    return plan.run(pair.other_style, pair.seed, *vectors)


def _companions(plan: Plan, concept: str, count: int) -> list[str]:
    """A concept and `count` others, those after it in the plan."""
    start = plan.concepts.index(concept)
    return [plan.concepts[(start + i) % len(plan.concepts)] for i in range(count + 1)]


def _most(plan: Plan) -> int:
    """The largest number of companions."""
    return min(MOST, len(plan.concepts)) - 1


def runs(plan: Plan) -> Iterator[Run]:
    """Each concept alone, each pair of concepts, and each concept with more and more others."""
    for pair in plan.few_pairs:
        yield _together(plan, pair)
        for concept in plan.concepts:
            yield _together(plan, pair, concept)
            for count in range(1, _most(plan) + 1):
                yield _together(plan, pair, *_companions(plan, concept, count))
        for both in combinations(plan.concepts, 2):
            yield _together(plan, pair, *both)


def findings(evidence: Evidence) -> Findings:
    """What applying A does to B, and what B does to the success of A."""
    plan = evidence.plan
    concepts, pairs = plan.concepts, plan.few_pairs

    def shown(judged: str, *applied: str) -> list[bool]:
        return [evidence.shows(_together(plan, pair, *applied), judged) for pair in pairs]

    plain = {judged: shown(judged) for judged in concepts}
    alone = {(applied, judged): shown(judged, applied) for applied in concepts for judged in concepts}
    both = {
        (applied, beside): shown(applied, applied, beside)
        for applied in concepts
        for beside in concepts
        if beside != applied
    }
    rows = [
        {"applied": applied, "judged": judged, "seed": pair.seed, "plain": before, "with": after}
        for (applied, judged), outcomes in alone.items()
        for pair, before, after in zip(pairs, plain[judged], outcomes, strict=True)
    ]
    rows += [
        {"applied": applied, "judged": applied, "beside": beside, "seed": pair.seed, "with": after}
        for (applied, beside), outcomes in both.items()
        for pair, after in zip(pairs, outcomes, strict=True)
    ]
    crowd = {
        concept: [Rate.of(shown(concept, *_companions(plan, concept, n))) for n in range(_most(plan) + 1)]
        for concept in concepts
    }
    changed = Table(
        f"Off target ({len(pairs)} pairs): how often applying A changes the judge's verdict on the other concepts"
        " against the plain run, and how often they are shown without and with A, over all of them",
        ["A", "its own success", "verdicts on others that change", "others shown without A", "others shown with A"],
        [
            [
                a,
                str(Rate.of(alone[a, a])),
                str(Rate.of(x != y for b in concepts if b != a for x, y in zip(plain[b], alone[a, b], strict=True))),
                str(Rate.of(x for b in concepts if b != a for x in plain[b])),
                str(Rate.of(x for b in concepts if b != a for x in alone[a, b])),
            ]
            for a in concepts
            if len(concepts) > 1
        ],
    )
    together = Table(
        "Success of A as more concepts are applied with it (those that follow it in the list)",
        ["A", "alone", *(f"with {n} other{'s' if n > 1 else ''}" for n in range(1, _most(plan) + 1))],
        [[concept, *map(str, rates)] for concept, rates in crowd.items()],
    )
    size = len(concepts)
    off = np.array([[np.mean(alone[a, b]) - np.mean(plain[b]) for b in concepts] for a in concepts])
    loss = np.full((size, size), np.nan)
    for (a, b), outcomes in both.items():
        loss[concepts.index(a), concepts.index(b)] = np.mean(outcomes) - np.mean(alone[a, a])
    shared = _overlaps(evidence)
    return Findings(
        [
            "Each vector is applied alone, with each other, and with more and more others, on a prompt of another style"
            " at the noise of the recording. Where two values exclude each other, as red and blue hair do, success of"
            " one must cost the other."
        ],
        [changed, together],
        [_matrices(concepts, off, loss, shared), _crowd(crowd)],
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
        axes[0, 0].plot(
            range(len(rates)), [r.value for r in rates], marker="o", color=drawing.COLOURS[index % 10], label=concept
        )
    axes[0, 0].set(xlabel="other vectors applied with it", ylabel="pictures that show it", ylim=(-0.02, 1.02))
    axes[0, 0].set_xticks(range(len(next(iter(crowd.values())))))
    axes[0, 0].legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=7)
    return Figure("isolation-crowd", "Success as more concepts are applied together.", figure)
