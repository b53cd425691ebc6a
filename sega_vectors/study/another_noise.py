"""Another noise: ways that might make a vector work at a noise that it was not recorded at.

What is made of several vectors is made anew for every pair from those of the other pairs, so none has seen the noise
that it is tried at.
"""

from collections.abc import Iterator, Sequence

from sega_vectors.study import drawing
from sega_vectors.study.evidence import Case, Evidence, place_runs
from sega_vectors.study.findings import Figure, Findings, Table
from sega_vectors.study.plan import Pair, Plan, evenly, others_of
from sega_vectors.study.rows import Row, comparison, median, number, rate, rate_in_place, rates_of, shown, where
from sega_vectors.study.runs import Derived, Nearest, Noise, Run, Source

TITLE = "Another noise"
COUNTS = (1, 2, 4, 8, 16, 32, 64)
MIXED_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
VOTE_SHARES = (0.15, 0.3)
STABLE_SHARES = (0.25, 0.4)
COMPONENTS = (1, 4)
LOW_PASS = 4
_MIXED_IN = "vector of the noise that is mixed in"


def _counts(plan: Plan) -> list[int]:
    """How many vectors the means are made of."""
    return [count for count in COUNTS if count < len(plan.every_pair)]


def _ways(plan: Plan, pair: Pair, concept: str) -> dict[str, Run]:
    """The runs of one pair from its own noise, by the way that its vector was obtained."""
    every = others_of(plan.every_pair, plan.every_pair.index(pair))
    others = tuple(plan.recorded(concept, other) for other in every)[: COUNTS[-1]]
    sources: dict[str, Source] = {
        "same noise": plan.recorded(concept, pair),
        "other noise": plan.control(concept, pair),
        **{f"mean of {n}": Derived("mean", others[:n]) for n in _counts(plan)},
        **{f"sign vote, share {share:g}": Derived("sign_vote", others, share) for share in VOTE_SHARES},
        **{f"stable support, share {share:g}": Derived("stable", others, share) for share in STABLE_SHARES},
        **{f"principal components, {k}": Derived("principal", others, float(k)) for k in COMPONENTS},
        "nearest noise": Nearest(others),
        "nearest noise, low pass": Nearest(others, LOW_PASS),
    }
    uses = {name: plan.applied(source) for name, source in sources.items()}
    double = plan.applied(Derived("mean", others), edit_guidance_scale=2 * plan.apply_scale)
    uses[f"mean of {len(others)}, twice the scale"] = double
    return plan.ways(pair.other_style, Noise(pair.seed), [plan.concept(concept)], uses)


def _mixed(plan: Plan, pair: Pair, concept: str, share: float) -> dict[str, Run]:
    """The runs from a noise that lies a share of the way towards the control's."""
    use = plan.applied(plan.control(concept, pair))
    return plan.ways(pair.other_style, Noise(pair.seed, pair.other, share), [plan.concept(concept)], {_MIXED_IN: use})


def cases(plan: Plan) -> Iterator[Case]:
    """Every way and every mixture on every pair."""
    for concept in plan.leading_concepts:
        for pair in plan.few_pairs:
            facts = {"concept": concept, "seed": pair.seed}
            for way, run in _ways(plan, pair, concept).items():
                yield {"way": way, **facts}, run
            for share in MIXED_SHARES:
                for way, run in _mixed(plan, pair, concept, share).items():
                    yield {"way": way, "share": share, **facts}, run


def runs(plan: Plan) -> Iterator[Run]:
    """The runs of all cases, and what they are compared with."""
    yield from place_runs(plan, plan.leading_concepts)
    yield from (run for _, run in cases(plan))


def findings(evidence: Evidence) -> Findings:
    """Success of every way beside its floor, ceiling and control."""
    plan = evidence.plan
    nowhere = {"place": float("nan"), "in place": False}
    measured = evidence.rows(cases(plan), "place", "in place")
    rows = [row if "place" in row else {**row, **nowhere} for row in measured]
    unmixed = where(rows, share=None)
    ways = list(dict.fromkeys(row["way"] for row in unmixed))
    most = min(COUNTS[-1], len(plan.every_pair) - 1)
    table = Table(
        f"Applied to another style at a noise that the vector was not recorded at ({len(plan.few_pairs)} pairs a"
        " concept); against: pairs in which only this way succeeded / only the vector from another noise, and McNemar's"
        " p; median cosine of the change with SEGA's own",
        ["way", *plan.leading_concepts, "all", "shown in place", "cosine", "against other noise", "p"],
        [
            [
                way,
                *rates_of(found, plan.leading_concepts),
                *(("", "") if way == "plain" else (str(rate_in_place(found)), number(median(found, "place")))),
                *comparison(shown(found), shown(unmixed, way="other noise")),
            ]
            for way in ways
            for found in [where(unmixed, way=way)]
        ],
    )
    mixed = Table(
        "Starting from the new noise mixed with the stored one, by the share of the way towards the stored one on the"
        " arc between the two: success of the stored vector, of SEGA itself, and without guidance",
        ["share", *plan.leading_concepts, "all", "shown in place", "SEGA", "plain"],
        [
            [
                f"{share:g}",
                *rates_of(found, plan.leading_concepts),
                str(rate_in_place(found)),
                *(str(rate(rows, way=way, share=share)) for way in ("SEGA", "plain")),
            ]
            for share in MIXED_SHARES
            for found in [where(rows, way=_MIXED_IN, share=share)]
        ],
    )
    return Findings(
        [
            "A vector works at one noise. Here are attempts to get past that: what many noises' vectors have in common"
            f" (leaving out the one that is tried; of up to {most} others), the vector of the nearest stored"
            f" noise (by cosine, also after a mean over {LOW_PASS}x{LOW_PASS} entries), and starting from a noise that"
            " is mixed with the stored one. Vectors that are made of several have the energy of recorded ones."
        ],
        [table, mixed],
        [_plots(plan, rows), _grid(evidence, ways)],
        rows,
    )


def _plots(plan: Plan, rows: Sequence[Row]) -> Figure:
    figure, axes = drawing.panels(2, 4.4, 3.0)
    left, right = axes[0]
    counts, concepts = _counts(plan), plan.leading_concepts
    means = {text: [rate(rows, way=f"mean of {n}", concept=text) for n in counts] for text in concepts}
    drawing.rates_over(left, counts, means)
    left.set(xscale="log", xlabel="vectors in the mean", title="mean of other noises' vectors")
    left.set_ylabel("pictures that show it")
    left.set_xticks(counts, [str(n) for n in counts])
    left.minorticks_off()
    for name in ("SEGA", "same noise", "other noise"):
        level = rate(rows, way=name, share=None).value
        left.axhline(level, color="#555", linewidth=0.8, linestyle=":")
        left.annotate(name, (counts[-1], level), fontsize=7, ha="right", va="bottom", color="#555")
    mixed = {
        text: [rate(rows, way=_MIXED_IN, share=share, concept=text) for share in MIXED_SHARES] for text in concepts
    }
    drawing.rates_over(right, MIXED_SHARES, mixed)
    right.set(xlabel="share of the stored noise", title="new noise mixed with the stored one")
    right.legend(fontsize=7)
    return Figure("another-noise", "Success at a noise that the vector was not recorded at.", figure)


def _grid(evidence: Evidence, ways: Sequence[str]) -> Figure:
    plan = evidence.plan
    concept, pairs = plan.concepts[0], evenly(plan.few_pairs, 10)
    made = [_ways(plan, pair, concept) for pair in pairs]
    return drawing.pictures(
        "another-noise-pictures",
        f"{concept} by every way. Framed: the judge finds the concept.",
        [pair.other_style for pair in pairs],
        [(way, evidence.framed((runs[way] for runs in made), concept)) for way in ways],
    )
