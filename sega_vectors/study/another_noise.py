"""Another noise: ways that might make a vector work at a noise that it was not recorded at.

What is made of several vectors is made anew for every pair from those of the other pairs, so none has seen the noise
that it is tried at.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sega_vectors.study import drawing
from sega_vectors.study.evidence import Evidence, place_runs
from sega_vectors.study.findings import Figure, Findings, Rate, Table, comparison, number
from sega_vectors.study.plan import Pair, Plan, evenly
from sega_vectors.study.rows import Row, median, shown, shown_in_place, where
from sega_vectors.study.runs import Derived, Nearest, Noise, Recorded, Run

TITLE = "Another noise"
COUNTS = (1, 2, 4, 8, 16, 32, 64)
MIXED_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
VOTE_SHARES = (0.15, 0.3)
STABLE_SHARES = (0.25, 0.4)
COMPONENTS = (1, 4)
LOW_PASS = 4
_MIXED_IN = "vector of the noise that is mixed in"
BOUNDS = ("plain", "SEGA", "same noise", "other noise")


def _others(plan: Plan, pair: Pair, concept: str) -> tuple[Recorded, ...]:
    """The concept's vectors of all other pairs, those after this one first."""
    at = plan.every_pair.index(pair)
    others = (*plan.every_pair[at + 1 :], *plan.every_pair[:at])
    return tuple(plan.recorded(concept, other) for other in others)


def _most(plan: Plan) -> int:
    return min(COUNTS[-1], len(plan.every_pair) - 1)


def _ways(plan: Plan, pair: Pair, concept: str) -> Mapping[str, Run]:
    """The runs of one pair from its own noise, by the way that its vector was obtained."""
    prompt, seed = pair.other_style, pair.seed
    plain = Run(prompt, Noise(seed))
    others = _others(plan, pair, concept)[: _most(plan)]
    sources: dict[str, Recorded | Derived | Nearest] = {
        "same noise": plan.recorded(concept, pair),
        "other noise": plan.control(concept, pair),
        **{f"mean of {n}": Derived("mean", others[:n]) for n in COUNTS if n <= len(others)},
        **{f"sign vote, share {share:g}": Derived("sign_vote", others, share) for share in VOTE_SHARES},
        **{f"stable support, share {share:g}": Derived("stable", others, share) for share in STABLE_SHARES},
        **{f"principal components, {k}": Derived("principal", others, float(k)) for k in COMPONENTS},
        "nearest noise": Nearest(others),
        "nearest noise, low pass": Nearest(others, LOW_PASS),
    }
    runs = {"plain": plain, "SEGA": plain.sega(plan.concept(concept))}
    runs |= {name: plan.run(prompt, seed, plan.applied(source)) for name, source in sources.items()}
    double = plan.applied(Derived("mean", others), edit_guidance_scale=2 * plan.apply_scale)
    runs[f"mean of {len(others)}, twice the scale"] = plan.run(prompt, seed, double)
    return runs


def _mixed(plan: Plan, pair: Pair, concept: str, share: float) -> Mapping[str, Run]:
    """The runs from a noise that lies a share of the way towards the control's."""
    plain = Run(pair.other_style, Noise(pair.seed, pair.other, share))
    return {
        "plain": plain,
        "SEGA": plain.sega(plan.concept(concept)),
        _MIXED_IN: Run(plain.prompt, plain.noise, applied=(plan.applied(plan.control(concept, pair)),)),
    }


def runs(plan: Plan) -> Iterator[Run]:
    """Every way and every mixture on every pair."""
    yield from place_runs(plan, plan.leading_concepts)
    for pair in plan.few_pairs:
        for concept in plan.leading_concepts:
            yield from _ways(plan, pair, concept).values()
            for share in MIXED_SHARES:
                yield from _mixed(plan, pair, concept, share).values()


def findings(evidence: Evidence) -> Findings:
    """Success of every way beside its floor, ceiling and control."""
    plan = evidence.plan
    rows: list[dict[str, Any]] = []
    for concept in plan.leading_concepts:
        for pair in plan.few_pairs:
            for way, run in _ways(plan, pair, concept).items():
                rows.append({"way": way, **_measured(evidence, run, concept, pair)})
            for share in MIXED_SHARES:
                for way, run in _mixed(plan, pair, concept, share).items():
                    rows.append({"way": way, "share": share, **_measured(evidence, run, concept, pair)})

    ways = list(_ways(plan, plan.few_pairs[0], plan.concepts[0]))
    table = Table(
        f"Applied to another style at a noise that the vector was not recorded at ({len(plan.few_pairs)} pairs a"
        " concept); against: pairs in which only this way succeeded / only the vector from another noise, and McNemar's"
        " p; median cosine of the change with SEGA's own",
        ["way", *plan.leading_concepts, "all", "shown in place", "cosine", "against other noise", "p"],
        [
            [
                way,
                *(str(Rate.of(shown(where(found, concept=concept)))) for concept in plan.leading_concepts),
                str(Rate.of(shown(found))),
                *(("", "") if way == "plain" else _placed(found)),
                *comparison(shown(found), shown(where(rows, way="other noise", share=None))),
            ]
            for way in ways
            for found in [where(rows, way=way, share=None)]
        ],
    )
    mixed = Table(
        "Starting from the new noise mixed with the stored one, by the share of the way towards the stored one on the"
        " arc between the two: success of the stored vector, of SEGA itself, and without guidance",
        ["share", *plan.leading_concepts, "all", "shown in place", "SEGA", "plain"],
        [
            [
                f"{share:g}",
                *(str(Rate.of(shown(where(found, concept=concept)))) for concept in plan.leading_concepts),
                str(Rate.of(shown(found))),
                str(Rate.of(shown_in_place(found))),
                *(str(Rate.of(shown(where(rows, way=way, share=share)))) for way in ("SEGA", "plain")),
            ]
            for share in MIXED_SHARES
            for found in [where(rows, way=_MIXED_IN, share=share)]
        ],
    )
    return Findings(
        [
            "A vector works at one noise. Here are attempts to get past that: what many noises' vectors have in common"
            f" (leaving out the one that is tried; of up to {_most(plan)} others), the vector of the nearest stored"
            f" noise (by cosine, also after a mean over {LOW_PASS}x{LOW_PASS} entries), and starting from a noise that"
            " is mixed with the stored one. Vectors that are made of several have the energy of recorded ones."
        ],
        [table, mixed],
        [_plots(plan, rows), _grid(evidence, ways)],
        rows,
    )


def _measured(evidence: Evidence, run: Run, concept: str, pair: Pair) -> dict[str, Any]:
    facts = {"concept": concept, "seed": pair.seed, "probability": evidence.probability(run, concept)}
    if run == run.plain:
        return {**facts, "place": float("nan"), "in place": False}
    return {**facts, "place": evidence.place(run, concept), "in place": evidence.in_place(run, concept)}


def _placed(found: Sequence[Row]) -> tuple[str, str]:
    return str(Rate.of(shown_in_place(found))), number(median(found, "place"))


def _plots(plan: Plan, rows: Sequence[Row]) -> Figure:
    figure, axes = drawing.panels(2, 4.4, 3.0)
    counts = [n for n in COUNTS if n <= _most(plan)]
    means = {
        concept: [Rate.of(shown(where(rows, way=f"mean of {n}", concept=concept))) for n in counts]
        for concept in plan.leading_concepts
    }
    drawing.rates_over(axes[0, 0], counts, means)
    axes[0, 0].set(xscale="log", xlabel="vectors in the mean", title="mean of other noises' vectors")
    axes[0, 0].set_xticks(counts, [str(n) for n in counts])
    axes[0, 0].minorticks_off()
    for name in BOUNDS[1:]:
        level = Rate.of(shown(where(rows, way=name, share=None))).value
        axes[0, 0].axhline(level, color="#555", linewidth=0.8, linestyle=":")
        axes[0, 0].annotate(name, (counts[-1], level), fontsize=7, ha="right", va="bottom", color="#555")
    mixed = {
        concept: [Rate.of(shown(where(rows, way=_MIXED_IN, share=share, concept=concept))) for share in MIXED_SHARES]
        for concept in plan.leading_concepts
    }
    drawing.rates_over(axes[0, 1], MIXED_SHARES, mixed)
    axes[0, 1].set(xlabel="share of the stored noise", title="new noise mixed with the stored one")
    axes[0, 1].legend(fontsize=7)
    axes[0, 0].set_ylabel("pictures that show it")
    return Figure("another-noise", "Success at a noise that the vector was not recorded at.", figure)


def _grid(evidence: Evidence, ways: list[str]) -> Figure:
    plan = evidence.plan
    concept, pairs = plan.concepts[0], evenly(plan.few_pairs, 10)
    lines = [[_ways(plan, pair, concept)[way] for pair in pairs] for way in ways]
    return Figure(
        "another-noise-pictures",
        f"{concept} by every way. Framed: the judge finds the concept.",
        drawing.pictures(
            [[evidence.archive.picture(run) for run in line] for line in lines],
            ways,
            [pair.other_style for pair in pairs],
            [[evidence.shows(run, concept) for run in line] for line in lines],
        ),
        pixels=True,
    )
