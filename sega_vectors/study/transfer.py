"""Uniqueness and transfer: does a stored vector work on prompts it was not recorded on, and only at its noise?"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from sega_store.analysis.similarity import cosine, overlap
from sega_store.records.dtypes import Array
from sega_vectors.study import drawing
from sega_vectors.study.evidence import Case, Evidence, place_runs
from sega_vectors.study.findings import Figure, Findings, Table
from sega_vectors.study.plan import Pair, Plan, evenly, others_of
from sega_vectors.study.rows import Row, comparison, median, number, rate, rate_in_place, shown, where
from sega_vectors.study.runs import Derived, Noise, Recorded, Run

TITLE = "Uniqueness and transfer"
KINDS = tuple(drawing.KINDS)
_TARGETS = ("same style", "other style")


def by_kind(plan: Plan, pair: Pair, prompt: str, concept: str) -> dict[str, Run]:
    """The runs on a target prompt at a pair's noise."""
    own = plan.recorded(concept, pair)
    uses = {
        "same noise": plan.applied(own),
        "other noise": plan.applied(plan.control(concept, pair)),
        "shuffled": plan.applied(Derived("shuffled", (own,), float(pair.seed))),
    }
    return plan.ways(prompt, Noise(pair.seed), [plan.concept(concept)], uses)


def cases(plan: Plan) -> Iterator[Case]:
    """Every kind on both target prompts of every pair."""
    for concept in plan.concepts:
        for pair in plan.pairs:
            seeds = {"same noise": pair.seed, "other noise": pair.other, "shuffled": pair.seed}
            for target, prompt in zip(_TARGETS, (pair.same_style, pair.other_style), strict=True):
                for kind, run in by_kind(plan, pair, prompt, concept).items():
                    facts = {
                        "kind": kind,
                        "concept": concept,
                        "target": target,
                        "prompt": prompt,
                        "source": pair.source,
                        "seed": pair.seed,
                        "recorded seed": seeds.get(kind),
                    }
                    yield facts, run


def runs(plan: Plan) -> Iterator[Run]:
    """The runs of all cases, and the recordings that are compared."""
    yield from place_runs(plan, plan.concepts)
    yield from (run for _, run in cases(plan))


def findings(evidence: Evidence) -> Findings:
    """Success and place by kind and target; similarity of vectors by step."""
    plan = evidence.plan
    rows = evidence.rows(cases(plan), "place", "in place", "elsewhere")
    success = Table(
        "Share of pictures that show the concept (n per concept and target), with 95% intervals; the p value is"
        " McNemar's for same against other noise, paired by noise and prompt",
        ["concept", "target", "n", *KINDS, "only same / only other noise", "p"],
        [
            [
                concept,
                target,
                str(len(found) // len(KINDS)),
                *(str(rate(found, kind=kind)) for kind in KINDS),
                *comparison(shown(found, kind="same noise"), shown(found, kind="other noise")),
            ]
            for concept in plan.concepts
            for target in ("either", *_TARGETS)
            for found in [where(rows, concept=concept, **({} if target == "either" else {"target": target}))]
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
                *(str(rate_in_place(rows, concept=concept, kind=kind)) for kind in guided),
                *(number(median(where(rows, concept=concept, kind=kind), "place")) for kind in guided),
            ]
            for concept in plan.concepts
        ],
    )
    similarity = {name: _similarity(evidence, related) for name, related in related_vectors(plan).items() if related}
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


def related_vectors(plan: Plan) -> dict[str, list[tuple[Recorded, Recorded]]]:
    """Pairs of recorded vectors, by what they share and what they don't."""
    every = [(text, pair, plan.recorded(text, pair)) for text in plan.concepts for pair in plan.pairs]

    def other_prompt(pair: Pair) -> Pair:
        return next(p for p in others_of(plan.pairs, plan.pairs.index(pair)) if p.source != pair.source)

    return {
        "same noise, other prompt": [
            (own, replace(own, prompt=prompt))
            for _, pair, own in every
            for prompt in (pair.same_style, pair.other_style)
        ],
        "other noise, same prompt": [
            (own, plan.control(text, pair)) for text, pair, own in every if pair.other_source == pair.source
        ],
        "other noise, other prompt": [(own, plan.recorded(text, other_prompt(pair))) for text, pair, own in every],
        "same noise and prompt, other concept": [
            (own, plan.recorded(other, pair))
            for text, pair, own in every
            for other in plan.concepts[plan.concepts.index(text) + 1 :]
        ],
    }


def _similarity(evidence: Evidence, related: Sequence[tuple[Recorded, Recorded]]) -> tuple[Array, Array]:
    """Cosine and overlap of related vectors by step, each of shape (pairs, T)."""
    vectors = [(evidence.vector(a), evidence.vector(b)) for a, b in related]
    return np.stack([cosine(a, b) for a, b in vectors]), np.stack([overlap(a, b) for a, b in vectors])


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
    for place, title, kinds, counted in (
        (axes[0, 0], "shows the concept", KINDS, rate),
        (axes[1, 0], "shows it, changed in place", KINDS[1:], rate_in_place),
    ):
        rates = {kind: [counted(rows, concept=concept, kind=kind) for concept in concepts] for kind in kinds}
        drawing.bars(place, concepts, rates)
        place.set_title(title)
    axes[0, 0].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return Figure("transfer", "Success on prompts that were not recorded on, with 95% intervals.", figure)


def _grids(evidence: Evidence) -> Iterator[Figure]:
    plan = evidence.plan
    pairs = evenly(plan.pairs, 10)
    for concept, name in zip(plan.concepts, file_names(plan.concepts), strict=True):
        made = [by_kind(plan, pair, pair.other_style, concept) for pair in pairs]
        yield drawing.pictures(
            f"transfer-{name}",
            f"{concept}, applied to another style; {len(pairs)} of {len(plan.pairs)} pairs, evenly spaced. Framed: the"
            " judge finds the concept.",
            [f"{pair.source} → {pair.other_style}" for pair in pairs],
            [(kind, evidence.framed((runs[kind] for runs in made), concept)) for kind in KINDS],
        )


def file_names(texts: Sequence[str]) -> list[str]:
    """A name for each of some texts, made of its words, such as `red-hair`, and numbered if it is taken."""
    names: list[str] = []
    for text in texts:
        name = re.sub(r"\W+", "-", text)[:40].strip("-") or "untitled"
        again = sum(re.fullmatch(re.escape(name) + r"(-\d+)?", other) is not None for other in names)
        names.append(f"{name}-{again + 1}" if again else name)
    return names
