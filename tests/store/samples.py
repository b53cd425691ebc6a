"""Small vectors and noises, and strategies that draw them."""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from sega_store import (
    Concept,
    GuidanceVector,
    InitialNoise,
    ModelFacts,
    NoiseFacts,
    Preview,
    Provenance,
    Recommendation,
    RunFacts,
    SchedulerFacts,
)
from sega_store.records.dtypes import HELD_AS, narrow
from sega_store.records.provenance import NO_NOISE

Array = NDArray[Any]
RECOMMENDED = Recommendation(12.5, 0.95, 2, "embedded", 9, 1, 12)
PREVIEW = Preview(b"\x89PNG before", b"\x89PNG and after", "image/png")


def noise(seed: int = 21, shape: tuple[int, ...] = (2, 4, 4), dtype: str = "float32") -> InitialNoise:
    """Noise that numpy draws for a seed."""
    values = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    return InitialNoise(narrow(values, dtype), seed=seed, dtype=dtype)


def provenance(initial: InitialNoise | None = None, prompt: str = "a portrait of a king", **run: Any) -> Provenance:
    """The facts of a run of three steps."""
    return Provenance(
        ModelFacts("embedded", None, "f" * 64, "StableDiffusionPipeline", "UNet2DConditionModel", "float32", "cpu"),
        SchedulerFacts("DDIMScheduler", {"beta_start": 0.00085, "trained_betas": None}, "epsilon"),
        (initial or noise()).facts,
        replace(RunFacts(prompt, None, 7.5, 3, 0.1, 0.4, True), **run),
        {"diffusers": "0.36.0"},
        "2026-01-02T03:04:05Z",
    )


def of_no_noise(text: str = "glasses", seed: int = 7) -> GuidanceVector:
    """A vector of no noise."""
    return without_noise(vector(text, seed=seed))


def without_noise(v: GuidanceVector) -> GuidanceVector:
    """The same vector as if 0.1.0 had made it of those of several noises."""
    facts = v.provenance
    run = replace(facts.run, arguments={**facts.run.arguments, "distilled": {"method": "mean"}})
    noise = NoiseFacts(NO_NOISE, None, "cpu", facts.noise.dtype)
    return replace(v, provenance=replace(facts, noise=noise, run=run, derived_from=(v.content, v.content)))


def steps(count: int) -> tuple[Array, Array]:
    """Timesteps and sigmas."""
    return np.linspace(900, 100, count), np.linspace(14, 0.5, count)


def vector(
    text: str = "glasses",
    shape: tuple[int, ...] = (3, 2, 4, 4),
    dtype: str = "float32",
    seed: int = 0,
    kept: float = 0.3,
    facts: Provenance | None = None,
    **concept: Any,
) -> GuidanceVector:
    """A vector with about the given share of its entries."""
    rng = np.random.default_rng(seed)
    dense = rng.standard_normal(shape, dtype=np.float32) * (rng.random(shape) < kept)
    concept = {"edit_threshold": 0.0, **concept}
    return GuidanceVector.from_dense(
        Concept(text, **concept), narrow(dense, dtype), *steps(shape[0]), facts or provenance(), dtype
    )


@st.composite
def vectors(draw: st.DrawFn, dtype: str | None = None) -> GuidanceVector:
    """Vectors of any dtype, rank and density: full, empty, with empty channels, with subnormal and huge values."""
    dtype = draw(st.sampled_from(sorted(HELD_AS))) if dtype is None else dtype
    shape = draw(hnp.array_shapes(min_dims=3, max_dims=6, max_side=5))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    support = rng.random(shape) < draw(st.sampled_from([0, 0.05, 0.5, 1]))
    support[:, rng.random(shape[1]) < draw(st.sampled_from([0, 0.5]))] = False
    exponent = {"float32": 0x7F800000, "float16": 0x7C00, "bfloat16": 0x7F80}[dtype]
    bits = np.dtype(f"u{HELD_AS[dtype].itemsize}")
    values = np.frombuffer(rng.bytes(int(np.count_nonzero(support)) * bits.itemsize), bits).copy()
    values[(values & exponent) == exponent] ^= exponent  # NaN and the infinities have all exponent bits set
    prompt = draw(st.text(st.characters(codec="utf-8"), max_size=20))
    preview = draw(st.sampled_from([None, PREVIEW]))
    concept = Concept("glasses", edit_threshold=0.0)
    facts = provenance(prompt=prompt)
    held = values.view(HELD_AS[dtype])
    return GuidanceVector(concept, support, held, dtype, *steps(shape[0]), facts, preview)
