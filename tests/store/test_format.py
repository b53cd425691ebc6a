"""The worked example of docs/format.md, recomputed."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from sega_store import (
    Concept,
    GuidanceVector,
    ModelFacts,
    NoiseFacts,
    Provenance,
    RunFacts,
    SchedulerFacts,
    read_vector,
    write_noise,
    write_vector,
)
from sega_store.files.codec import ALWAYS_BYTES, MAX_EXPANSION
from sega_store.files.zip_container import unpack
from sega_store.records.json_record import MAX_INTEGER_DIGITS, MAX_JSON_BYTES, MAX_JSON_DEPTH
from sega_store.records.rules import MAX_INTEGER, MAX_SEED

from .samples import PREVIEW, noise

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
    return GuidanceVector.from_dense(
        Concept("glasses", edit_warmup_steps=10), dense, np.array([999.0, 499]), np.array([14.5, 1.25]), facts
    )


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


@pytest.mark.parametrize("name", ["values", "timesteps", "sigmas", "preview"])
def test_the_metadata_of_the_other_arrays(name: str) -> None:
    contents = unpack(write_vector(example().with_preview(PREVIEW)))
    assert block(f"Metadata of `{name}`").strip() == bytes(contents[f"{name}/zarr.json"]).decode()


def test_the_metadata_of_a_noise() -> None:
    assert block("Metadata of `noise`").strip() == bytes(unpack(write_noise(noise()))["noise/zarr.json"]).decode()


def test_the_page_states_the_limits_of_the_code() -> None:
    assert f"at most {MAX_JSON_BYTES >> 20} MiB for the root `zarr.json`, and a depth of {MAX_JSON_DEPTH}:" in PAGE
    text = " ".join(PAGE.split())
    assert f"An integer has at most {MAX_INTEGER_DIGITS} digits" in text
    assert f"in `config` and `arguments` any of {MAX_INTEGER_DIGITS} digits may stand" in text
    integers, seeds = (f"2^{(most + 1).bit_length() - 1} - 1" for most in (MAX_INTEGER, MAX_SEED))
    assert f"to {integers}, a `seed` from 0 to {seeds}, as torch has them" in text
    assert f"`seed` (from 0 to {seeds}, or null)" in text
    assert (MAX_INTEGER, MAX_SEED) == (2**63 - 1, 2**64 - 1)
    always = f"{ALWAYS_BYTES >> 20} MiB"
    assert f"the sum of the arrays' sizes is at most {always} or {MAX_EXPANSION:,} times the file's size" in text
    assert f"those larger than {MAX_EXPANSION:,} times their chunk may take {always} together" in text
    assert (ALWAYS_BYTES, MAX_EXPANSION) == (32 << 20, 1024)
    assert f"at most the sum of those sizes and {2 * MAX_JSON_BYTES >> 20} MiB" in text
