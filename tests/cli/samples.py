"""Small vectors made by hand, so that a library can be filled without a model."""

from pathlib import Path

import numpy as np
from PIL import Image

from sega_store import (
    Concept,
    GuidanceVector,
    InitialNoise,
    ModelFacts,
    NoiseFacts,
    Provenance,
    Recommendation,
    RunFacts,
    SchedulerFacts,
)

STEPS, CHANNELS, SIDE = 6, 2, 8
PLACE = ("float32", "cpu")
RECOMMENDED = Recommendation(12.0, 0.97, 1, "embedded", 9, 1, 12)


def make_noise(seed: int) -> InitialNoise:
    """Noise of a seed; not torch's."""
    return InitialNoise(np.random.default_rng(seed).standard_normal((CHANNELS, SIDE, SIDE), np.float32), seed=seed)


def make_vector(text: str = "glasses", seed: int = 21, prompt: str = "a portrait of a man") -> GuidanceVector:
    """A vector that acts in the upper left corner."""
    noise = make_noise(seed)
    dense = np.zeros((STEPS, CHANNELS, SIDE, SIDE), np.float32)
    dense[:, :, :2, :2] = np.random.default_rng(len(text)).standard_normal((STEPS, CHANNELS, 2, 2)) + seed + 1
    provenance = Provenance(
        model=ModelFacts("embedded", None, "f" * 64, "StableDiffusionPipeline", "UNet2DConditionModel", *PLACE),
        scheduler=SchedulerFacts("DDIMScheduler", {}, "epsilon"),
        noise=NoiseFacts(noise.sha256, seed, "cpu", "float32"),
        run=RunFacts(prompt, None, 5.0, STEPS, 0.1, 0.4, True),
        versions={"diffusers": "0.0"},
        created=f"2026-01-01T00:00:{seed % 60:02}Z",
    )
    concept = Concept(text, edit_warmup_steps=2)
    steps = np.arange(STEPS, dtype=np.float64)
    return GuidanceVector.from_dense(concept, dense, 900 - 100 * steps, 14 - steps, provenance)


def assert_alike(one: Path, other: Path) -> None:
    """Assert that two pictures are equal but for a grey level: kernels round according to the number of rows."""
    first, second = (np.asarray(Image.open(path), np.int16) for path in (one, other))
    assert np.abs(first - second).max() <= 1
