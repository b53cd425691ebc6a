"""Every family that makes pictures, by the command line: recorded, then applied to its own prompt and to another."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sega_store import Library
from tests.cli.conftest import SegaVec
from tests.cli.samples import assert_alike
from tests.vectors.families import FAMILIES, Family

_OPTIONS = {
    "num_inference_steps": "--steps",
    "guidance_scale": "--guidance-scale",
    "negative_prompt": "--negative-prompt",
    "height": "--height",
    "width": "--width",
}
_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "flux2": {"max_sequence_length": 512},  # a folder doesn't keep the short system message of the tiny pipeline
    "sdxl": {"crops_coords_top_left": [2, 4], "original_size": [32, 48], "clip_skip": 1},
}
_PICTURES = (
    "sd", "sdxl", "sd3", "flux", "flux_cfg", "qwen_image", "z_image", "pixart_alpha", "pixart_sigma", "if", "sana",
    "lumina2", "flux2", "flux2_klein",
)  # fmt: skip


def save(family: Family, folder: Path) -> str:
    pipe = family.build()
    if getattr(pipe, "vae", None) is not None and "shift_factor" in pipe.vae.config:
        pipe.vae.register_to_config(shift_factor=0.0)  # some families add it to what they decode
    pipe.save_pretrained(folder)
    return str(folder)


def options(family: Family) -> list[str]:
    """The arguments of the family's call, but its prompt and output, as the command line has them."""
    line = []
    for name, value in {**family.arguments, **_CHANGES.get(family.name, {})}.items():
        if name in _OPTIONS:
            line += [_OPTIONS[name], str(value)]
        elif name not in ("prompt", "output_type"):
            line += ["--arg", f"{name}={json.dumps(value)}"]
    return line


@pytest.mark.parametrize("name", _PICTURES)
def test_record_and_apply_by_the_command_line(sega_vec: SegaVec, folder: Path, name: str) -> None:
    family = FAMILIES[name]
    model, prompt = save(family, folder / "model"), family.arguments["prompt"]
    edit = ("--concept", "glasses", "--edit-threshold", "0.8", "--edit-warmup-steps", "0", "--seed", "3")
    recorded = sega_vec("record", prompt, "--model", model, *edit, *options(family), "--output", "recorded", "--json")
    (row,) = json.loads(recorded.stdout)["vectors"]
    assert (row["status"], row["notes"]) == ("recorded", [])
    assert list(Library(folder / "library")) == [row["id"]]
    assert Library(folder / "library")[row["id"]].shape[1:] == family.sample_shape

    applied = sega_vec("apply", "glasses", "--to-prompt", prompt, "--to-prompt", "a painting of a king", "--json")
    document = json.loads(applied.stdout)
    assert document["differences"] == {row["id"]: []}, "exact"
    assert [picture["notes"] for picture in document["pictures"]] == [[], []]
    own, other = (Path(picture["path"]) for picture in document["pictures"])
    (after,) = (folder / "recorded").glob("*.glasses.*")
    assert_alike(own, after)
    assert other.is_file()


@pytest.mark.parametrize("name", ["sdxl", "sd3", "flux", "qwen_image", "z_image"])
def test_image_to_image_by_the_command_line(sega_vec: SegaVec, folder: Path, name: str) -> None:
    family = FAMILIES[name]
    model, prompt = save(family, folder / "model"), family.arguments["prompt"]
    pixels = np.random.default_rng(0).integers(0, 255, (16, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("given.png")
    start = ("--image", "given.png", "--strength", "0.9")
    edit = ("--concept", "glasses", "--edit-threshold", "0.8", "--edit-warmup-steps", "0", "--seed", "3")
    sega_vec("record", prompt, "--model", model, *edit, *options(family), *start, "--output", "recorded")
    applied = sega_vec("apply", "glasses", "--to-prompt", prompt, *start[:2], "--json")
    document = json.loads(applied.stdout)
    assert [*document["differences"].values()] == [[]], "exact"
    (after,) = (folder / "recorded").glob("*.glasses.*")
    assert_alike(Path(document["pictures"][0]["path"]), after)


@pytest.mark.parametrize(
    ("name", "argument", "said"),
    [
        ("flux2", ("--negative-prompt", "hat"), "Flux2Pipeline takes, met negative_prompt"),
        ("lumina2", ("--arg", "eta=1"), "Lumina2Pipeline takes, met eta"),
        ("sana", ("--image", "recorded.png"), "diffusers has no such pipeline for"),
        ("stable_cascade", (), "StableCascadePriorPipeline makes image_embeddings"),
    ],
)
def test_what_a_pipeline_does_not_take_is_refused(
    sega_vec: SegaVec, folder: Path, name: str, argument: tuple[str, ...], said: str
) -> None:
    Image.new("RGB", (16, 16)).save(folder / "recorded.png")
    family = FAMILIES[name]
    line = ("a man", "--concept", "glasses", "--model", save(family, folder / "model"), *options(family), *argument)
    result = sega_vec("record", *line, exit_code=2 if argument else 1)
    assert said in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert not Library(folder / "library")
