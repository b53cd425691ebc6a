"""`sega-vec record`."""

import io
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from sega_store import Library
from tests.cli.conftest import SegaVec
from tests.cli.provenance import read_provenance
from tests.cli.samples import assert_alike
from tests.vectors.closeness import assert_same_entries


def test_records_each_concept_at_each_seed_and_resumes(record: SegaVec, folder: Path) -> None:
    arguments = ("--concept", "glasses", "--concept", "smile", "--no-preview", "--json")
    first = json.loads(record(*arguments, "--seed", "1,2").stdout)["vectors"]
    assert [(row["concept"], row["seed"], row["status"]) for row in first] == [
        ("glasses", 1, "recorded"),
        ("smile", 1, "recorded"),
        ("glasses", 2, "recorded"),
        ("smile", 2, "recorded"),
    ]
    assert [row["denoiser_rows"] for row in first] == [3 * (2 + 2)] * 4
    library = Library(folder / "library")
    assert {row["id"] for row in first} == set(library)
    vector = library[first[0]["id"]]
    assert (vector.concept.edit_threshold, vector.concept.edit_warmup_steps) == (0.9, 1)
    assert vector.provenance.run.companions[0].text == "smile"
    assert library.noise(vector.id).seed == 1

    again = json.loads(record(*arguments, "--seed", "0..2").stdout)["vectors"]
    assert [row["status"] for row in again] == ["recorded"] * 2 + ["held already"] * 4
    assert again[2:] == [{**row, "status": "held already", "denoiser_rows": 0} for row in first]
    assert len(library) == 6


def test_edit_parameters_go_for_all_concepts_or_in_their_order(record: SegaVec, folder: Path) -> None:
    each = ("--edit-guidance-scale", "6", "--edit-guidance-scale", "7", "--reverse-editing-direction", "false")
    record("--concept", "glasses", "--concept", "smile", *each, "--reverse-editing-direction", "true", "--no-preview",
           "--edit-momentum-scale", "0.3", "--guidance-scale", "4", "--negative-prompt", "hat", "--name", "g",
           "--name", "s")  # fmt: skip
    library = Library(folder / "library")
    glasses, smile = library["g"], library["s"]
    assert (glasses.concept.edit_guidance_scale, smile.concept.edit_guidance_scale) == (6.0, 7.0)
    assert (glasses.concept.reverse_editing_direction, smile.concept.reverse_editing_direction) == (False, True)
    assert glasses.concept.edit_warmup_steps == smile.concept.edit_warmup_steps == 1
    run = glasses.provenance.run
    assert (run.edit_momentum_scale, run.guidance_scale, run.negative_prompt) == (0.3, 4.0, "hat")


def test_pictures_before_and_after_are_kept_and_written(record: SegaVec, folder: Path) -> None:
    result = record("--concept", "glasses", "--output", "out", "--quiet")
    library = Library(folder / "library")
    assert result.stdout.split() == list(library), "ids only"
    assert result.stderr == ""
    preview = library["glasses"].preview
    assert preview is not None
    sizes = [Image.open(io.BytesIO(data)).size for data in (preview.before, preview.after)]
    assert sizes == [(32, 32)] * 2
    before, after = sorted((folder / "out").iterdir(), key=lambda path: ".glasses." in path.name)
    assert read_provenance(before)["vectors"] == []
    facts = read_provenance(after)
    assert [vector["id"] for vector in facts["vectors"]] == list(library)
    assert facts["noise"]["seed"] == 0
    assert Image.open(before).tobytes() != Image.open(after).tobytes()


def test_without_guiding_the_run_is_the_plain_one(record: SegaVec, folder: Path) -> None:
    record("--concept", "glasses", "--no-guide", "--output", "out")
    assert_alike(*(folder / "out").iterdir())
    vector = Library(folder / "library")["glasses"]
    assert not vector.provenance.run.guide
    assert vector.nnz > 0


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["--concept", " "], 2, "must not be blank"),
        (["--concept", "glasses", "--seed", "x"], 2, "write 7, 1,2,5 or 0..9"),
        (["--concept", "glasses", "--steps", "0"], 2, "x>=1"),
        (["--concept", "glasses", "--dtype", "float8"], 2, "float16"),
        (["--concept", "glasses", "--device", "abacus"], 2, "abacus"),
        (["--concept", "glasses", "--concept", "hat", "--edit-threshold", "1"], 2, "in [0, 1), met 1.0"),
        (["--concept", "glasses", "--concept", "hat", "--edit-threshold", "-0.1"], 2, "in [0, 1), met -0.1"),
        (["--concept", "glasses", "--edit-weight", "-1"], 2, "reverse"),
        (["--concept", "glasses", "--edit-mom-beta", "2"], 2, "edit_mom_beta"),
        (["--concept", "a " * 40], 2, "a concept must fit a text encoder"),
        (["--concept", "glasses", "--name", "a", "--seed", "1,2"], 2, "a name is for one vector"),
        (["--concept", "a", *["--edit-weight", "1"] * 3], 2, "3 times for 1 concepts"),
        (["--concept", "glasses", "--model", "no/such/model"], 1, "'no/such/model' could not be loaded"),
        (["--concept", "glasses", "--library", "file"], 1, "file"),
        (["--concept", "glasses", "--library", "file/below"], 1, "a file stands where a folder is needed"),
        (["--concept", "glasses", "--output", "file"], 1, "a file stands where a folder is needed"),
        (["--concept", "glasses", "--output", "/proc/there"], 1, "/proc/there"),
    ],
)
def test_bad_input_says_the_rule_and_the_remedy(
    record: SegaVec, folder: Path, arguments: list[str], exit_code: int, message: str
) -> None:
    (folder / "file").write_text("")
    result = record(*arguments, exit_code=exit_code)
    assert message in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert len(Library(folder / "library")) == 0


def test_texts_that_are_cut_are_noted_once(record: SegaVec, folder: Path) -> None:
    result = record("--concept", "glasses", "--negative-prompt", "a " * 40, "--seed", "1,2", "--no-preview")
    cut = "the negative prompt 'a a a a a a a a a a a a a a a a a a a a ' was cut: tokenizer takes 32 of 42 tokens"
    assert result.stderr.count(cut) == 1
    assert len(Library(folder / "library")) == 2
    rows = json.loads(record("--concept", "hat", "--negative-prompt", "a " * 40, "--json").stdout)["vectors"]
    assert [note.startswith(cut) for note in rows[0]["notes"]] == [True]


def test_what_has_no_effect_is_noted(record: SegaVec) -> None:
    result = record("--concept", "glasses", "--edit-cooldown-steps", "9", "--no-preview")
    assert "edit_cooldown_steps 9 of 'glasses' has no effect in a run of 3 steps\n" in result.stderr


def test_a_concept_that_would_guide_nothing_is_refused(sega_vec: SegaVec, tiny_model: str, folder: Path) -> None:
    few = ("--concept", "glasses", "--steps", "4", "--edit-warmup-steps", "10", "--output", "out")
    result = sega_vec("record", "a man", "--model", tiny_model, *few, exit_code=2)
    assert "edit_warmup_steps 10 leaves none of the run's 4 steps" in " ".join(result.stderr.split())
    assert not Library(folder / "library")
    assert not list((folder / "out").iterdir())


def test_pickled_weights_are_refused(record: SegaVec, tiny_model: str, folder: Path) -> None:
    import shutil

    pickled = folder / "pickled"
    shutil.copytree(tiny_model, pickled)
    weights = pickled / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    result = record("--concept", "glasses", "--model", str(pickled), exit_code=1)
    assert "a pickle can run code" in result.stderr
    assert "safe_serialization" in result.stderr


@pytest.mark.parametrize("more", [["--concept", "smile"], ["--no-guide"], ["--no-preview"]])
def test_pictures_are_drawn_of_what_is_held_already(record: SegaVec, folder: Path, more: list[str]) -> None:
    arguments = ("--concept", "glasses", *more, "--seed", "1,2")
    record(*arguments, "--output", "first")
    library = Library(folder / "library")
    held = {path: path.read_bytes() for path in library.root.rglob("*.zip")}
    again = json.loads(record(*arguments, "--output", "second", "--json").stdout)
    assert {row["status"] for row in again["vectors"]} == {"held already"}
    assert [Path(path).parent.name for path in again["pictures"]] == ["second"] * 4
    first, second = (sorted((folder / name).iterdir()) for name in ("first", "second"))
    assert [path.name for path in first] == [path.name for path in second]
    for one, other in zip(first, second, strict=True):
        assert_alike(one, other)
    assert {path: path.read_bytes() for path in library.root.rglob("*.zip")} == held, "nothing is recorded again"
    inodes = [path.stat().st_ino for path in second]
    third = json.loads(record(*arguments, "--output", "second", "--json").stdout)
    assert sorted(third["pictures"]) == sorted(again["pictures"]), "what is there is named"
    assert {row["denoiser_rows"] for row in third["vectors"]} == {0}
    assert [path.stat().st_ino for path in second] == inodes, "and kept"
    second[0].unlink()
    assert "held already" in record(*arguments, "--output", "second").stdout
    assert_alike(second[0], first[0])


def test_seeds_that_share_a_call_are_recorded_as_each_alone(record: SegaVec, folder: Path) -> None:
    arguments = ("--concept", "glasses", "--concept", "smile", "--seed", "1..3", "--negative-prompt", "a hat")
    alone = json.loads(record(*arguments, "--output", "alone", "--library", "one", "--json").stdout)["vectors"]
    record("--concept", "glasses", "--concept", "smile", "--seed", "2", "--negative-prompt", "a hat")
    shared = json.loads(record(*arguments, "--output", "shared", "--batch", "3", "--json").stdout)["vectors"]
    assert [row["status"] for row in shared] == ["recorded"] * 2 + ["held already"] * 2 + ["recorded"] * 2
    assert [row["denoiser_rows"] for row in shared] == [12] * 6, "the pictures of what is held are drawn, too"
    one, many = Library(folder / "one"), Library(folder / "library")
    for first, second in zip(alone, shared, strict=True):
        v, w = one[first["id"]], many[second["id"]]
        assert (v.recipe, v.provenance.noise.seed) == (w.recipe, first["seed"])
        assert_same_entries(torch.from_numpy(v.dense()), torch.from_numpy(w.dense()), rtol=1e-3, atol=1e-5)
        assert many.noise(w.id) == one.noise(v.id)
    pictures = [sorted((folder / name).iterdir()) for name in ("alone", "shared")]
    assert [len(paths) for paths in pictures] == [6, 6]
    for path, other in zip(*pictures, strict=True):
        assert_alike(path, other)
