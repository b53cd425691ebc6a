"""Tuning: which edit parameters a stored vector works best with.

Scales, thresholds and warm-ups are tried in all combinations on the same prompts and noises. The one that is
recommended changes the pictures least among those whose success is within one standard error of the best: at or above
the lower end of the best one's Wilson interval with z = 1. (Of two settings that a few pictures can't tell apart, the
milder leaves more of the picture alone.)

The figures of the recommended setting come from the pictures that it was chosen by, so they are somewhat too good.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from sega_store import GuidanceVector
from sega_vectors.judging.rates import wilson
from sega_vectors.judging.trials import Outcome, Trials, change


@dataclass(frozen=True)
class Tried:
    """One setting, and what came of it.

    Attributes:
        edit: `edit_guidance_scale`, `edit_threshold`, `edit_warmup_steps`.
        shown: In how many pictures the judge found the concept.
        of: How many pictures there were.
        change: How much they differ from the plain ones; see `sega_vectors.judging.trials.change`.
    """

    edit: Mapping[str, Any]
    shown: int
    of: int
    change: float


def settings(
    vector: GuidanceVector,
    scales: Sequence[float] = (),
    thresholds: Sequence[float] = (),
    warmups: Sequence[int] = (),
) -> list[dict[str, Any]]:
    """All combinations of edit parameters to try.

    Args:
        vector: The vector to be applied.
        scales: s_e; if empty: half, once, one and a half times and twice the recorded scale.
        thresholds: λ; if empty: the loosest that was kept, the recorded one, and one that leaves half as much.
        warmups: δ; if empty: no warm-up, the recorded one, and twice that.

    Raises:
        InvalidInputError: One breaks its rule, such as a λ looser than recorded.
    """
    concept = vector.concept
    λ, δ = concept.edit_threshold, concept.warmup
    tried: dict[str, Sequence[Any]] = {
        "edit_guidance_scale": scales or [factor * concept.edit_guidance_scale for factor in (0.5, 1.0, 1.5, 2.0)],
        "edit_threshold": thresholds or [concept.keep_threshold, λ, round((1 + λ) / 2, 6)],
        "edit_warmup_steps": warmups or [warmup for warmup in (0, δ, 2 * δ) if warmup < vector.shape[0]],
    }
    each = [dict.fromkeys(values) for values in tried.values()]  # each once
    edits = [dict(zip(tried, values, strict=True)) for values in product(*each)]
    for edit in edits:
        replace(vector.thresholded(edit["edit_threshold"]).concept, **edit)  # raises now what a run would raise later
    return edits


def tune(
    trials: Trials,
    vector: GuidanceVector,
    edits: Sequence[Mapping[str, Any]],
    progress: Callable[[int], object] = lambda count: None,
    each: Callable[[Tried], object] = lambda tried: None,
) -> tuple[Outcome, list[Tried]]:
    """Try settings.

    Args:
        trials: What to run.
        vector: What to add to the runs.
        edits: The settings, as `settings` gives them.
        progress: Called with the number of pictures after each call of the pipeline.
        each: Called with each setting as soon as it was tried.

    Returns:
        What came of the plain runs, and of each setting.
    """
    plain = trials.run(progress=progress)
    tried = []
    for edit in edits:
        outcome = trials.run(vector, edit, progress)
        tried.append(Tried(edit, outcome.shown, trials.size, change(outcome, plain)))
        each(tried[-1])
    return plain, tried


def recommend(tried: Sequence[Tried]) -> Tried:
    """The setting to recommend among one or more; see the module for the rule."""
    best = max(tried, key=lambda one: one.shown)
    enough = min(best.shown, best.of * wilson(best.shown, best.of, z=1)[0])  # rounding must not leave the best out
    return min((one for one in tried if one.shown >= enough), key=lambda one: one.change)
