"""What a study's pictures show: how likely a concept is there, where the picture changed, and how much elsewhere.

Change is measured against the plain run of the same prompt and noise, as the mean of |difference| over colours, in
grey levels of 0 to 255, in a grid of 16x16 cells. Where a concept belongs on a picture is what SEGA itself changes
there: a change is *in place* if its cosine with SEGA's is larger than nearly all those between SEGA's changes at
different noises, and *elsewhere* is what lies outside the smallest region that holds most of SEGA's change.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from sega_store import Library
from sega_store.places.disk import replace
from sega_store.records.dtypes import Array
from sega_vectors.judging.judges import SHOWN, PictureJudge
from sega_vectors.study.drawing import Framed
from sega_vectors.study.laboratory import Archive
from sega_vectors.study.plan import Plan
from sega_vectors.study.rows import Row
from sega_vectors.study.runs import Run

CELLS = 16
IN_PLACE_QUANTILE = 0.95
REGION = 0.8
_CHUNK = 64

Judgement = dict[str, float]
Case = tuple[Row, Run]
"""The facts that a row begins with, and the run that it is about."""


class Evidence:
    """Reads the pictures and vectors that a study has made.

    Attributes:
        plan: The study.
        archive: Its pictures.
        change: How much a run's picture differs from the plain one, shape (16, 16), in grey levels.
        chance: By concept, the 95% quantile of the cosine of SEGA's change at one noise with that at another.
        vector: Gives the vector of a recording.
    """

    def __init__(self, plan: Plan, archive: Archive, library: Library, judgements: dict[Run, Judgement]) -> None:
        self.plan = plan
        self.archive = archive
        self.library = library
        self._judgements = judgements
        self.change = lru_cache(maxsize=1 << 16)(self._change)
        self.chance = cache(self._chance)
        self.vector = lru_cache(maxsize=1 << 12)(lambda recorded: archive.vector(recorded, library))

    def rows(self, cases: Iterable[Case], *measures: str) -> list[Row]:
        """The row of each case: its facts, and what was measured.

        Args:
            cases: The cases; their facts name the `concept`.
            measures: Of "place", "in place", "elsewhere" and "SSIM" those to measure besides the "probability"; a
                plain run, with which the others are compared, has none of them.
        """
        ways: dict[str, Callable[[Run, str], float]] = {
            "place": self.place,
            "in place": self.in_place,
            "elsewhere": self.elsewhere,
            "SSIM": lambda run, _: self.similarity(run),
        }
        return [
            {
                **facts,
                "probability": self.probability(run, facts["concept"]),
                **{name: ways[name](run, facts["concept"]) for name in measures if run != run.plain},
            }
            for facts, run in cases
        ]

    def framed(self, runs: Iterable[Run], concept: str) -> list[Framed]:
        """The pictures of runs, each with whether it shows a concept."""
        return [(self.archive.picture(run), self.shows(run, concept)) for run in runs]

    def probability(self, run: Run, concept: str) -> float:
        """The judge's probability, 0 to 1, that a picture shows a concept."""
        return self._judgements[run][concept]

    def shows(self, run: Run, concept: str) -> bool:
        """Whether a picture more likely shows a concept than not."""
        return self.probability(run, concept) > SHOWN

    def place(self, run: Run, concept: str) -> float:
        """The cosine of a picture's change with the one that SEGA itself makes there, 0 to 1."""
        return _cosine(self.change(run), self._sega_change(run, concept))

    def in_place(self, run: Run, concept: str) -> bool:
        """Whether a picture changed where the concept belongs."""
        return self.place(run, concept) > self.chance(concept)

    def elsewhere(self, run: Run, concept: str) -> float:
        """How much a picture changed outside the region that SEGA itself changes, in grey levels."""
        return float(self.change(run)[~_region(self._sega_change(run, concept))].mean())

    def similarity(self, run: Run) -> float:
        """The structural similarity (SSIM; Wang et al. 2004) of a picture with the plain one, up to 1; every
        change lowers it, the concept's own included."""
        from torchmetrics.functional.image import structural_similarity_index_measure

        # in float64: the variances are differences of numbers near 255²
        one, other = (torch.from_numpy(self._pixels(r)).double().permute(2, 0, 1)[None] for r in (run, run.plain))
        index = structural_similarity_index_measure(one, other, data_range=255.0)
        return float(torch.as_tensor(index))

    def _chance(self, concept: str) -> float:
        changes = [self.change(self.plan.recorded(concept, pair).run) for pair in self.plan.pairs]
        cosines = [_cosine(one, other) for one, other in combinations(changes, 2)]
        return float(np.quantile(cosines, IN_PLACE_QUANTILE))

    def _sega_change(self, run: Run, concept: str) -> Array:
        return self.change(run.plain.sega(self.plan.concept(concept)))

    def _change(self, run: Run) -> Array:
        return cells(np.abs(self._pixels(run) - self._pixels(run.plain)).mean(axis=2))

    def _pixels(self, run: Run) -> Array:
        return np.array(self.archive.picture(run).convert("RGB"), np.float32)


def place_runs(plan: Plan, concepts: Iterable[str]) -> Iterator[Run]:
    """The runs that are needed to tell whether a change is in place."""
    for concept in concepts:
        for pair in plan.pairs:
            run = plan.recorded(concept, pair).run
            yield from (run.plain, run)


def judge_all(
    archive: Archive,
    runs: Iterable[Run],
    judge: PictureJudge,
    memory: Path,
    progress: Callable[[int], object] = lambda judged: None,
) -> dict[Run, Judgement]:
    """Judge the pictures of runs.

    Args:
        archive: The archive that holds them.
        runs: The runs, all of which were made.
        judge: The judge.
        memory: A file that keeps this judge's answers, written after each call. So each picture is judged once, and
            again only if the judge knows other concepts by then.
        progress: Called with the number of pictures after each call of the judge.
    """
    known: dict[str, Judgement] = json.loads(memory.read_text()) if memory.exists() else {}
    keys = {run: run.key(archive.setting) for run in runs}
    new = [run for run in keys if not known.get(keys[run], {}).keys() >= set(judge.concepts)]
    for chunk in (new[start : start + _CHUNK] for start in range(0, len(new), _CHUNK)):
        verdicts = judge([archive.picture(run) for run in chunk])
        for index, run in enumerate(chunk):
            known.setdefault(keys[run], {}).update({text: round(float(p[index]), 6) for text, p in verdicts.items()})
        replace(memory, json.dumps(known).encode())
        progress(len(chunk))
    return {run: known[key] for run, key in keys.items()}


def cells(change: Array) -> Array:
    """The means of a map (H, W) over a grid of 16x16 cells; a pixel that a border cuts counts on both sides in
    proportion."""
    rows, columns = (_parts(size) for size in change.shape)
    means: Array = rows @ change @ columns.T
    return means


def _parts(size: int) -> Array:
    """The share of each cell that each of `size` pixels in a line covers, shape (16, size)."""
    borders, pixels = np.linspace(0, size, CELLS + 1)[:, None], np.arange(size)
    shared = np.minimum(borders[1:], pixels + 1) - np.maximum(borders[:-1], pixels)
    parts: Array = shared.clip(min=0) * CELLS / size
    return parts


def _cosine(one: Array, other: Array) -> float:
    norm = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float((one * other).sum()) / norm if norm else 0.0


def _region(change: Array) -> Array:
    """The smallest set of cells that holds 80% of a change."""
    order = np.argsort(change, axis=None)[::-1]
    held = np.cumsum(change.ravel()[order])
    inside = np.zeros(change.size, bool)
    inside[order[: int(np.searchsorted(held, REGION * held[-1])) + 1]] = True
    return inside.reshape(change.shape)
