"""What applying costs before the first step, at the sizes of large models: seconds and memory of the plans."""

import time
import tracemalloc

import numpy as np
import torch

from benchmarks.timing import Row
from sega_vectors import Concept, GuidanceVector
from sega_vectors.maths.parameters import edits
from sega_vectors.maths.plan import GuidancePlan, PlannedVector
from sega_vectors.maths.schedule import StepMatch
from tests.store.samples import provenance, steps

SIZES = {
    "Flux, 1024x1024": ((28, 16, 128, 128), 16, 0.15, 100.0),
    "Wan, 832x480": ((50, 16, 21, 60, 104), 4, 1.0, 600.0),
}
PARAMETERS = (
    "edit_guidance_scale", "edit_threshold", "edit_warmup_steps", "edit_cooldown_steps", "reverse_editing_direction",
    "edit_weights", "edit_momentum_scale", "edit_mom_beta",
)  # fmt: skip


def planning() -> list[Row]:
    """Different vectors, at a stricter threshold than they were kept with; and one vector as often."""
    rows = []
    for model, (shape, count, seconds, megabytes) in SIZES.items():
        vectors = [_vector(shape, seed) for seed in range(count)]
        for what, given in ((f"{count} vectors", vectors), (f"one vector {count} times", vectors[:1] * count)):
            spent, memory = _plan(given)
            rows.append(Row(f"{model}: plan {what}, s", spent, seconds))
            rows.append(Row(f"{model}: plan {what}, MB", memory, megabytes))
    return rows


def _vector(shape: tuple[int, ...], seed: int) -> GuidanceVector:
    rng = np.random.default_rng(seed)
    support = np.moveaxis(rng.random((*shape[1:], shape[0]), np.float32) < 0.1, -1, 0)
    values = rng.standard_normal(int(support.sum()), np.float32).astype(np.float16)
    concept = Concept("glasses", edit_threshold=0.95, keep_threshold=0.9, edit_warmup_steps=0)
    return GuidanceVector(concept, support, values, "float16", *steps(shape[0]), provenance())


def _plan(vectors: list[GuidanceVector]) -> tuple[float, float]:
    """CPU seconds; and megabytes at the highest, of what numpy allocates, in a second run."""
    start = time.process_time()
    guidance = _guidance_plan(vectors).guidance()
    spent = time.process_time() - start
    assert guidance is not None
    assert guidance.shape == torch.Size(vectors[0].shape[1:])
    tracemalloc.start()
    plan = _guidance_plan(vectors)
    memory = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    del plan
    return spent, memory


def _guidance_plan(vectors: list[GuidanceVector]) -> GuidancePlan:
    count = vectors[0].shape[0]
    at = np.arange(count)
    match = StepMatch(at, at, np.zeros(count), exact=True, covered=np.full(count, True))
    made = edits(vectors, **dict.fromkeys(PARAMETERS))  # type: ignore[arg-type]
    planned = [PlannedVector(edit.kept, edit.vector.concept, match, edit.momentum()) for edit in made]
    return GuidancePlan(planned, count, torch.device("cpu"))
