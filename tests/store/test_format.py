"""The worked example of docs/format.md, recomputed."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np

from sega_store import (
    Concept,
    GuidanceVector,
    ModelFacts,
    NoiseFacts,
    Provenance,
    RunFacts,
    SchedulerFacts,
    read_vector,
    write_vector,
)
from sega_store.files.zip_container import unpack

PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text()


def example() -> GuidanceVector:
    """Two steps, one channel, three places."""
    dense = np.array([[[0, 1.5, 0]], [[-2, 0.25, 0]]], np.float16)
    facts = Provenance(
        ModelFacts("embedded", None, "ab" * 32, "StableDiffusionPipeline", "UNet2DConditionModel", "float16", "cpu"),
        SchedulerFacts("DDIMScheduler", {"steps_offset": 1}, "epsilon"),
        NoiseFacts("cd" * 32, 21, "cpu", "float16"),
        RunFacts("a king", None, 7.5, 2, 0.1, 0.4, True),
        {"diffusers": "0.36.0"},
        "2026-01-01T00:00:00Z",
    )
    return GuidanceVector.from_dense(Concept("glasses"), dense, np.array([999.0, 499]), np.array([14.5, 1.25]), facts)


def block(title: str) -> str:
    """The code block that follows a title in bold."""
    found = re.search(rf"\*\*{re.escape(title)}\*\*.*?```\w*\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"docs/format.md has no example called {title!r}"
    return found[1]


def test_the_content_hash_of_the_example() -> None:
    header, *rest = block("Content hash").splitlines()
    data = header.encode() + b"\n" + bytes.fromhex("".join(line.split("#")[0] for line in rest[:-1]))
    assert rest[-1] == hashlib.sha256(data).hexdigest() == example().content


def test_the_recipe_of_the_example() -> None:
    text, digest = block("Recipe").splitlines()
    assert digest == hashlib.sha256(text.encode()).hexdigest() == example().recipe


def test_the_root_of_the_example() -> None:
    root = bytes(unpack(write_vector(example()))["zarr.json"])
    assert json.loads(block("Root")) == json.loads(root)


def test_the_metadata_of_the_example() -> None:
    contents = unpack(write_vector(example()))
    assert json.loads(block("Metadata of `support`")) == json.loads(bytes(contents["support/zarr.json"]))
    assert block("Entries").split() == list(contents)


def test_the_example_is_a_vector() -> None:
    assert read_vector(write_vector(example())) == example()
