"""Uniqueness and transfer: does a stored vector work on prompts it was not recorded on, and only at its noise?"""

from collections.abc import Iterator, Sequence

import numpy as np

from sega_store.analysis.similarity import cosine, overlap
from sega_store.records.dtypes import Array
from sega_vectors.study import drawing
from sega_vectors.study.evidence import Evidence, place_runs
from sega_vectors.study.findings import Figure, Findings, Rate, Table, comparison, file_names, number
from sega_vectors.study.plan import Pair, Plan, evenly
from sega_vectors.study.rows import Row, median, shown, shown_in_place, where
from sega_vectors.study.runs import Derived, Noise, Recorded, Run, Source

TITLE = "Uniqueness and transfer"
KINDS = ("plain", "SEGA", "same noise", "other noise", "shuffled")
_TARGETS = {"same style": "same_style", "other style": "other_style"}


def of_kind(plan: Plan, pair: Pair, prompt: str, concept: str, kind: str) -> Run:
    """The run of one kind on a target prompt at a pair's noise."""
    plain = Run(prompt, Noise(pair.seed))
    if kind == "plain":
        return plain
    if kind == "SEGA":
        return plain.sega(plan.concept(concept))
    own = plan.recorded(concept, pair)
    sources: dict[str, Source] = {
        "same noise": own,
        "other noise": plan.control(concept, pair),
        "shuffled": Derived("shuffled", (own,), float(pair.seed)),
    }
    return plan.run(prompt, pair.seed, plan.applied(sources[kind]))


def runs(plan: Plan) -> Iterator[Run]:
    """Every kind on both target prompts of every pair, and the recordings that are compared."""
    yield from place_runs(plan, plan.concepts)
    for pair in plan.pairs:
        for concept in plan.concepts:
            for target in _TARGETS.values():
                for kind in KINDS:
                    yield of_kind(plan, pair, getattr(pair, target), concept, kind)


def findings(evidence: Evidence) -> Findings:
    """Success and place by kind and target; similarity of vectors by step."""
    plan = evidence.plan
    rows = [
        {
            "kind": kind,
            "concept": concept,
            "target": target,
            "prompt": getattr(pair, attribute),
            "source": pair.source,
            "seed": pair.seed,
            "recorded seed": {"same noise": pair.seed, "other noise": pair.other, "shuffled": pair.seed}.get(kind),
            "probability": evidence.probability(run, concept),
            **(_changes(evidence, run, concept) if kind != "plain" else {}),
        }
        for concept in plan.concepts
        for pair in plan.pairs
        for target, attribute in _TARGETS.items()
        for kind in KINDS
        for run in [of_kind(plan, pair, getattr(pair, attribute), concept, kind)]
    ]

    success = Table(
        "Share of pictures that show the concept (n per concept and target), with 95% intervals; the p value is"
        " McNemar's for same against other noise, paired by noise and prompt",
        ["concept", "target", "n", *KINDS, "only same / only other noise", "p"],
        [
            [
                concept,
                target,
                str(len(outcomes["plain"])),
                *(str(Rate.of(outcomes[kind])) for kind in KINDS),
                *comparison(outcomes["same noise"], outcomes["other noise"]),
            ]
            for concept in plan.concepts
            for target, chosen in {"either": {}, **{target: {"target": target} for target in _TARGETS}}.items()
            for outcomes in [{kind: shown(where(rows, concept=concept, kind=kind, **chosen)) for kind in KINDS}]
        ],
    )
    guided = KINDS[1:]
    place = Table(
        "The same pictures, counted only if the change is in place too; and the median cosine of the change with"
        " SEGA's own (chance: the 95% quantile between noises)",
        ["concept", "chance", *(f"{kind}: shown in place" for kind in guided), *(f"{kind}: cosine" for kind in guided)],
        [
            [
                concept,
                number(evidence.chance(concept)),
                *(str(Rate.of(shown_in_place(where(rows, concept=concept, kind=kind)))) for kind in guided),
                *(number(median(where(rows, concept=concept, kind=kind), "place")) for kind in guided),
            ]
            for concept in plan.concepts
        ],
    )
    similarity = {name: alike for name in _RELATIONS if (alike := _similarity(evidence, name)) is not None}
    likeness = Table(
        "How alike recorded vectors are: mean over the run of the median cosine and Jaccard overlap",
        ["relation", "pairs of vectors", "cosine", "overlap"],
        [
            [name, str(len(c)), *(number(float(np.nanmean(np.nanmedian(x, axis=0))), 3) for x in (c, o))]
            for name, (c, o) in similarity.items()
        ],
    )
    return Findings(
        [
            "A vector is recorded on one prompt of each pair and applied to two others at the same noise: one of the"
            " same style, one of another. The ceiling is SEGA itself on the target, the floor no guidance. The control"
            " is the same concept's vector recorded at another noise, from the same source prompt where two pairs share"
            " it. The placebo is the vector itself with the places of the picture shuffled, alike in all steps and"
            " channels, so that its energy stays."
        ],
        [success, place, likeness],
        [_glance(evidence, similarity), _bars(plan, rows), *_grids(evidence)],
        rows,
    )


def _changes(evidence: Evidence, run: Run, concept: str) -> dict[str, float | bool]:
    return {
        "place": evidence.place(run, concept),
        "in place": evidence.in_place(run, concept),
        "elsewhere": evidence.elsewhere(run, concept),
    }


_RELATIONS = (
    "same noise, other prompt",
    "other noise, same prompt",
    "other noise, other prompt",
    "same noise and prompt, other concept",
)


def _related(plan: Plan, relation: str) -> Iterator[tuple[Recorded, Recorded]]:
    for index, concept in enumerate(plan.concepts):
        for pair in plan.pairs:
            own = plan.recorded(concept, pair)
            if relation == "same noise, other prompt":
                for prompt in (pair.same_style, pair.other_style):
                    yield own, Recorded(own.concept, prompt, pair.seed)
            elif relation == "other noise, same prompt":
                if pair.other_source == pair.source:
                    yield own, plan.control(concept, pair)
            elif relation == "other noise, other prompt":
                at = plan.pairs.index(pair)
                others = (other for other in plan.pairs[at + 1 :] + plan.pairs[:at] if other.source != pair.source)
                yield own, plan.recorded(concept, next(others))
            else:
                for text in plan.concepts[index + 1 :]:
                    yield own, plan.recorded(text, pair)


def _similarity(evidence: Evidence, relation: str) -> tuple[Array, Array] | None:
    """Cosine and overlap of related vectors by step, each of shape (pairs, T); None if no vectors are related so."""
    related = [(evidence.vector(a), evidence.vector(b)) for a, b in _related(evidence.plan, relation)]
    if not related:
        return None
    return np.stack([cosine(a, b) for a, b in related]), np.stack([overlap(a, b) for a, b in related])


def _glance(evidence: Evidence, similarity: dict[str, tuple[Array, Array]]) -> Figure:
    figure, axes = drawing.panels(2, 4.2, 3.0)
    vector = evidence.vector(evidence.plan.recorded(evidence.plan.concepts[0], evidence.plan.pairs[0]))
    steps = np.arange(vector.shape[0])
    for which, title in enumerate(("cosine of γ", "overlap of supports (Jaccard)")):
        drawing.spread_over(axes[0, which], steps, {name: both[which] for name, both in similarity.items()})
        axes[0, which].set(title=title, xlabel="step (noise to picture)")
    density = 1 - vector.concept.edit_threshold
    axes[0, 1].axhline(density / (2 - density), color="#444", linewidth=0.8, linestyle=":")
    axes[0, 1].annotate("chance", (0, density / (2 - density)), fontsize=7, va="bottom")
    axes[0, 0].axhline(0, color="#444", linewidth=0.8, linestyle=":")
    axes[0, 0].legend(fontsize=7)
    return Figure(
        "uniqueness",
        "γ belongs to the noise: how alike recorded vectors are, step by step (medians; bands hold the middle half).",
        figure,
    )


def _bars(plan: Plan, rows: Sequence[Row]) -> Figure:
    concepts = plan.concepts
    figure, axes = drawing.panels(1, max(6.0, 1.15 * len(concepts)), 2.7, rows=2)
    for place, title, kinds, succeeded in (
        (axes[0, 0], "shows the concept", KINDS, shown),
        (axes[1, 0], "shows it, changed in place", KINDS[1:], shown_in_place),
    ):
        rates = {kind: [Rate.of(succeeded(where(rows, concept=c, kind=kind))) for c in concepts] for kind in kinds}
        drawing.bars(place, concepts, rates)
        place.set_title(title)
    axes[0, 0].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return Figure("transfer", "Success on prompts that were not recorded on, with 95% intervals.", figure)


def _grids(evidence: Evidence) -> Iterator[Figure]:
    plan = evidence.plan
    pairs = evenly(plan.pairs, 10)
    for concept, name in zip(plan.concepts, file_names(plan.concepts), strict=True):
        runs = [[of_kind(plan, pair, pair.other_style, concept, kind) for pair in pairs] for kind in KINDS]
        yield Figure(
            f"transfer-{name}",
            f"{concept}, applied to another style; {len(pairs)} of {len(plan.pairs)} pairs, evenly spaced. Framed: the"
            " judge finds the concept.",
            drawing.pictures(
                [[evidence.archive.picture(run) for run in line] for line in runs],
                KINDS,
                [f"{pair.source} → {pair.other_style}" for pair in pairs],
                [[evidence.shows(run, concept) for run in line] for line in runs],
            ),
            pixels=True,
        )
