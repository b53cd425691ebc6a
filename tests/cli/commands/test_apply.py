"""`sega-vec apply`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import sega_vectors
from sega_cli.commands.apply import OVERRIDES
from sega_cli.generating.setup import draw_noise, generator
from sega_store import InitialNoise, Library
from sega_vectors import Applier, load_pipeline
from sega_vectors.provenance import gate
from tests.cli.conftest import SegaVec
from tests.cli.provenance import read_provenance
from tests.cli.samples import RECOMMENDED, assert_alike
from tests.store.samples import without_noise


def test_applying_to_its_own_prompt_gives_the_recorded_picture(
    record: SegaVec, sega_vec: SegaVec, folder: Path
) -> None:
    record("--concept", "glasses", "--output", "recorded")
    result = sega_vec("apply", "glasses", "--to-prompt", "a man", "--plain")
    assert "12 denoiser rows for 2 pictures" in result.stderr, "no row for the concept"
    assert "compatible" not in result.stderr
    assert sorted(map(Path, result.stdout.split())) == sorted(Path("sega-vec-out").iterdir())
    applied, expected = (sorted((folder / name).iterdir()) for name in ("sega-vec-out", "recorded"))
    for one, other in zip(applied, expected, strict=True):
        assert_alike(one, other)


def test_a_picture_can_be_made_again_from_what_it_carries(recorded: Library, sega_vec: SegaVec) -> None:
    edits = ("--edit-threshold", "0.95", "--edit-warmup-steps", "0", "--edit-warmup-steps", "1")
    arguments = ("--to-prompt", "a woman", "--steps", "4", "--edit-mom-beta", "0.2", "--guidance-scale", "3")
    document = json.loads(sega_vec("apply", "glasses:1.5", "smile:-1", *edits, *arguments, "--json").stdout)
    path = Path(document["pictures"][0]["path"])
    facts = read_provenance(path)

    pipe = load_pipeline(facts["model"]["id"])
    pipe.set_progress_bar_config(disable=True)
    names = {name for vector in facts["vectors"] for name in vector["edit"]}
    assert names == {"edit_guidance_scale", "edit_threshold", "edit_warmup_steps", "edit_mom_beta"}
    edited = {name: [vector["edit"].get(name) for vector in facts["vectors"]] for name in names}
    vectors = [recorded[vector["id"]] for vector in facts["vectors"]]
    applier = Applier(pipe, vectors, noise=recorded.noise(facts["noise"]["sha256"]), **edited)
    again = applier(**facts["run"].pop("arguments"), **facts["run"]).images[0]
    assert again.tobytes() == Image.open(path).tobytes()


def test_scales_and_reversal(recorded: Library, sega_vec: SegaVec) -> None:
    def made(*arguments: str) -> bytes:
        path = sega_vec("apply", *arguments, "--to-prompt", "a woman", "--quiet").stdout.strip()
        return Image.open(path).tobytes()

    plain, full = made("glasses:0"), made("glasses")
    assert plain != full
    assert made("glasses:1") == full
    assert made("glasses:2") == made("glasses", "--edit-guidance-scale", "10")
    assert made("glasses:-1") == made("glasses", "--reverse-editing-direction", "true")
    assert made("glasses", "smile:0") == full


def test_what_differs_is_said_on_standard_error(recorded: Library, sega_vec: SegaVec) -> None:
    result = sega_vec("apply", "glasses", "--to-prompt", "a woman", "--steps", "5")
    assert "glasses is compatible, not exact: num_inference_steps 5 instead of 3" in result.stderr
    assert len(result.stdout.split()) == 1


def test_another_noise_is_refused_unless_allowed(recorded: Library, sega_vec: SegaVec) -> None:
    together = sega_vec("apply", "glasses", "hat", "--to-prompt", "a woman", exit_code=4)
    assert "one initial noise" in together.stderr
    assert "--allow noise" in together.stderr
    seeded = sega_vec("apply", "glasses", "--seed", "7", "--to-prompt", "a woman", exit_code=4)
    assert "--allow noise" in seeded.stderr
    arguments = ("--seed", "7", "--allow", "noise", "--to-prompt", "a woman", "--json")
    document = json.loads(sega_vec("apply", "glasses", *arguments).stdout)
    assert "initial noise" in document["differences"][recorded.resolve("glasses")][0]
    assert read_provenance(Path(document["pictures"][0]["path"]))["noise"]["seed"] == 7
    sega_vec("apply", "glasses", "hat", "--allow", "noise", "--to-prompt", "a woman")


def test_what_is_recommended_is_taken_unless_it_is_given(recorded: Library, sega_vec: SegaVec) -> None:
    recorded.annotate("glasses", recommended=replace(RECOMMENDED, edit_warmup_steps=2))

    def edit(*arguments: str) -> tuple[dict[str, float], str]:
        result = sega_vec("apply", *arguments, "--to-prompt", "a woman", "--json")
        facts = read_provenance(Path(json.loads(result.stdout)["pictures"][0]["path"]))
        return facts["vectors"][0]["edit"], result.stderr

    found, note = edit("glasses")
    assert found == {"edit_guidance_scale": 12.0, "edit_threshold": 0.97, "edit_warmup_steps": 2}
    assert "glasses has as recommended edit_guidance_scale 12, edit_threshold 0.97, edit_warmup_steps 2\n" in note
    found, note = edit("glasses:0.5", "--edit-threshold", "0.95", "--steps", "6")
    assert found == {"edit_guidance_scale": 6.0, "edit_threshold": 0.95, "edit_warmup_steps": 4}
    assert "glasses has as recommended edit_guidance_scale 12, edit_warmup_steps 2\n" in note
    all_given = ("--edit-guidance-scale", "5", "--edit-threshold", "0.95", "--edit-warmup-steps", "1")
    found, note = edit("glasses", *all_given)
    assert found == {"edit_guidance_scale": 5.0, "edit_threshold": 0.95, "edit_warmup_steps": 1}
    assert "recommended" not in note
    assert edit("smile") == ({}, note), "what is recommended for one vector is not for others"


def test_a_vector_of_no_noise_is_refused_whatever_is_allowed(recorded: Library, sega_vec: SegaVec) -> None:
    recorded.add(without_noise(recorded["glasses"]), name="any glasses")
    for arguments in (["any glasses"], ["smile", "any glasses"], ["any glasses", "--seed", "1", "--allow", "noise"]):
        result = sega_vec("apply", *arguments, "--to-prompt", "a woman", exit_code=4)
        assert "measured not to work: record the concept at the noise wanted" in " ".join(result.stderr.split())


def test_the_noise_of_a_seed_is_the_pipelines_own(recorded: Library, tiny_model: str) -> None:
    pipe = load_pipeline(tiny_model)
    assert draw_noise(pipe, (4, 16, 16), 1) == recorded.noise("glasses")
    assert isinstance(recorded.noise("glasses"), InitialNoise)
    assert torch.equal(torch.randn(3, generator=generator(5)), torch.randn(3, generator=generator(5)))


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["glases"], 1, "Did you mean 'glasses'"),
        (["glasses", "--edit-threshold", "0.5"], 2, "looser than the recording"),
        (["glasses", "--edit-threshold", "1.5"], 2, "[0, 1)"),
        (["glasses", "--edit-weight", "-1"], 2, "edit_weight"),
        (["glasses", "--steps", "0"], 2, "x>=1"),
        (["glasses:nan"], 2, "finite"),
        (["glasses", "--allow", "shape"], 2, "architecture"),
        (["glasses", "--model", "no/such/model"], 1, "could not be loaded"),
        (["glasses", "--output", "library/vectors/file"], 1, "a file stands where a folder is needed"),
        ([], 2, "Missing argument"),
    ],
)
def test_bad_input_says_the_rule_and_the_remedy(
    recorded: Library, sega_vec: SegaVec, arguments: list[str], exit_code: int, message: str
) -> None:
    (recorded.root / "vectors" / "file").write_text("")
    result = sega_vec("apply", *arguments, "--to-prompt", "a woman", exit_code=exit_code)
    assert message in result.stderr
    assert not Path("sega-vec-out").exists() or not list(Path("sega-vec-out").iterdir())


def test_the_overrides_are_the_gates() -> None:
    assert OVERRIDES == gate.OVERRIDES


@pytest.mark.parametrize("scale", ["1e30", "1e38"])
def test_an_edit_that_overflows_writes_no_picture(recorded: Library, sega_vec: SegaVec, scale: str) -> None:
    result = sega_vec("apply", f"glasses:{scale}", "--to-prompt", "a woman", exit_code=1)
    (line,) = result.stderr.splitlines()
    assert "had NaN or infinity" in line
    assert result.stdout == ""
    assert not list(Path("sega-vec-out").iterdir())


def test_what_a_run_leaves_out_is_noted(recorded: Library, sega_vec: SegaVec) -> None:
    long = "a " * 40
    prompts = ("--to-prompt", long, "--to-prompt", "a woman")
    result = sega_vec("apply", "glasses", *prompts, "--edit-cooldown-steps", "9", "--plain")
    assert result.stderr.count("was cut: tokenizer takes 32 of 42 tokens") == 1, "once for both pictures"
    assert result.stderr.count("edit_cooldown_steps 9 of 'glasses' has no effect in a run of 3 steps") == 1
    document = json.loads(sega_vec("apply", "glasses", *prompts, "--json").stdout)
    assert [len(picture["notes"]) for picture in document["pictures"]] == [1, 0]
    assert document["pictures"][0]["notes"][0].startswith("the prompt 'a a a ")


def test_the_same_command_resumes(recorded: Library, sega_vec: SegaVec) -> None:
    def made(*arguments: str) -> tuple[list[str], list[str], str]:
        prompts = ("--to-prompt", "a woman", "--to-prompt", "a king")
        result = sega_vec("apply", "glasses", "smile:-1", *prompts, "--plain", "--json", *arguments)
        pictures = json.loads(result.stdout)["pictures"]
        return [one["path"] for one in pictures], [one["status"] for one in pictures], result.stderr

    paths, statuses, _ = made()
    assert statuses == ["made"] * 4
    before = {path: (Path(path).stat().st_ino, Path(path).read_bytes()) for path in paths}
    again, statuses, said = made()
    assert (again, statuses) == (paths, ["held already"] * 4)
    assert "0 denoiser rows for 0 pictures\n4 pictures held already in sega-vec-out: --force makes them again\n" in said
    Path(paths[0]).unlink()
    Path(paths[1]).write_bytes(before[paths[1]][1][:-100])
    Path(paths[2]).write_bytes(b"")
    assert made()[1] == ["made"] * 3 + ["held already"]
    assert {path: Path(path).read_bytes() for path in paths} == {path: data for path, (_, data) in before.items()}
    assert Path(paths[3]).stat().st_ino == before[paths[3]][0]
    other = made("--edit-guidance-scale", "7")[1]
    assert other == ["held already"] * 2 + ["made"] * 2, "another recipe of the guided ones"
    assert made("--force")[1] == ["made"] * 4
    assert Path(paths[3]).stat().st_ino != before[paths[3]][0]


@pytest.fixture
def seeds(recorded: Library, record: SegaVec) -> Library:
    """`recorded`, with `glasses` of the seeds 1 to 3 and `smile` of 1 and 2."""
    record("--concept", "glasses", "--seed", "2,3", "--no-preview")
    record("--concept", "smile", "--seed", "2", "--no-preview")
    return recorded


def test_a_seed_chooses_among_a_concepts_vectors(
    seeds: Library, sega_vec: SegaVec, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads, original = [], sega_vectors.load_pipeline

    def counted(*arguments: Any, **options: Any) -> Any:
        loads.append(arguments)
        return original(*arguments, **options)

    monkeypatch.setattr(sega_vectors, "load_pipeline", counted)

    def applied(*arguments: str) -> dict[int, tuple[list[str], bytes]]:
        result = sega_vec("apply", *arguments, "--to-prompt", "a woman", "--json", "--force")
        found = {}
        for picture in json.loads(result.stdout)["pictures"]:
            facts = read_provenance(Path(picture["path"]))
            assert facts["noise"]["seed"] == picture["seed"]
            ids = [vector["id"] for vector in facts["vectors"]]
            found[picture["seed"]] = ids, Image.open(picture["path"]).tobytes()
        return found

    assert "names 3 vectors" in (said := sega_vec("apply", "glasses", "--to-prompt", "a", exit_code=1).stderr)
    assert "--seed" in said
    together = applied("glasses", "--seed", "1..3")
    assert len(loads) == 1, "the model is loaded once"
    assert [ids for ids, _ in together.values()] == [[seeds.resolve("glasses", seed)] for seed in (1, 2, 3)]
    for seed, (ids, picture) in together.items():
        assert applied(ids[0]) == {seed: (ids, picture)}
        assert applied(ids[0], "--seed", str(seed)) == {seed: (ids, picture)}, "the recorded seed is never refused"
    both = applied("glasses:2", "smile", "--seed", "2")
    assert both[2][0] == [seeds.resolve("glasses", 2), seeds.resolve("smile", 2)]


def test_a_seed_that_a_concept_lacks_is_refused_before_anything_runs(seeds: Library, sega_vec: SegaVec) -> None:
    result = sega_vec("apply", "glasses", "--seed", "0..9", "--to-prompt", "a woman", exit_code=4)
    assert "met --seed 0 for 'glasses'; it was recorded at 1, 2, 3: choose among these" in result.stderr
    assert (
        "met --seed 3 for 'smile'"
        in sega_vec("apply", "glasses", "smile", "--seed", "2,3", "--to-prompt", "a woman", exit_code=4).stderr
    )
    assert not Path("sega-vec-out").exists()
    sega_vec("apply", "unknown", "--seed", "1", "--to-prompt", "a woman", exit_code=1)
    sega_vec("apply", "glasses", "--seed", "7", "--allow", "noise", "--to-prompt", "a woman", exit_code=1)
    document = sega_vec("apply", "hat", "--seed", "2,7", "--allow", "noise", "--to-prompt", "a woman", "--json").stdout
    assert [picture["seed"] for picture in json.loads(document)["pictures"]] == [2, 7]
    assert len(json.loads(document)["differences"][seeds.resolve("hat")]) == 1, "of the other noise alone"


@pytest.mark.parametrize("batch", [("--batch", "2"), ()])
def test_prompts_that_share_a_call_give_the_pictures_of_each_alone(
    recorded: Library, sega_vec: SegaVec, batch: tuple[str, ...]
) -> None:
    long = "a " * 40
    prompts = [argument for text in ("a woman", long, "a king") for argument in ("--to-prompt", text)]
    arguments = ("apply", "glasses", "smile:-1", *prompts, "--negative-prompt", "a hat", "--plain", "--json")
    alone = json.loads(sega_vec(*arguments, "--output", "alone", "--batch", "1").stdout)
    shared = json.loads(sega_vec(*arguments, "--output", "shared", *batch).stdout)
    for one, other in zip(alone["pictures"], shared["pictures"], strict=True):
        assert_alike(Path(one["path"]), Path(other["path"]))
        assert read_provenance(Path(one["path"])) == read_provenance(Path(other["path"]))
        assert {**one, "path": ""} == {**other, "path": ""}
        assert [note.startswith("the prompt") for note in one["notes"]] == [True] * (one["prompt"] == long)
    assert alone["differences"] == shared["differences"]
