"""`sega-vec show`."""

import json

from sega_store import Library
from tests.cli.conftest import SegaVec
from tests.cli.samples import RECOMMENDED
from tests.store.samples import without_noise


def test_draws_when_and_where_and_says_where_from(sega_vec: SegaVec, library: Library) -> None:
    text = sega_vec("show", "glasses").stdout
    vector = library["glasses"]
    drawn = ("6 steps, timestep 900 to 400", "support ██████", "steps 2 to 5")
    facts = (vector.id, "a portrait of a man", vector.provenance.noise.sha256, "seed 21", "edit_threshold 0.95")
    for part in (*drawn, *facts):
        assert part in text
    upper_left = [line for line in text.splitlines() if line.startswith("│")]
    assert [line.strip("│").strip() != "" for line in upper_left] == [True, True, *[False] * 6]


def test_quiet_prints_the_id_and_json_all_facts(sega_vec: SegaVec, library: Library) -> None:
    vector = library["glasses"]
    assert sega_vec("show", "glasses", "-q").stdout.split() == [vector.id]
    document = json.loads(sega_vec("show", vector.id[:12], "--json").stdout)
    assert document["id"] == vector.id
    assert document["counts"] == vector.counts().tolist()
    assert document["concept"] == vector.concept.to_json()
    assert document["provenance"] == vector.provenance.to_json()


def test_an_unknown_ref_offers_what_is_close(sega_vec: SegaVec, library: Library) -> None:
    result = sega_vec("show", "glases", exit_code=1)
    assert "Did you mean 'glasses'" in result.stderr
    assert result.stdout == ""


def test_a_corrupt_file_is_named(sega_vec: SegaVec, library: Library) -> None:
    path = library.path_of("glasses")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    assert str(path) in sega_vec("show", "glasses", exit_code=1).stderr.replace("\n", "")


def test_a_vector_of_no_noise_is_shown_listed_and_verified(sega_vec: SegaVec, library: Library) -> None:
    identity = library.add(without_noise(library["glasses"]))
    assert f"noise            float32, {'0' * 64}" in sega_vec("show", identity).stdout
    assert identity in sega_vec("ls", "--quiet").stdout.split()
    sega_vec("verify")
    assert json.loads(sega_vec("show", identity, "--json").stdout)["noise"] == "0" * 64


def test_a_recommendation_is_shown(sega_vec: SegaVec, library: Library) -> None:
    assert "recommended      -" in sega_vec("show", "glasses").stdout
    assert json.loads(sega_vec("show", "glasses", "--json").stdout)["recommended"] is None
    library.annotate("glasses", recommended=RECOMMENDED)
    said = (
        "edit_guidance_scale 12, edit_threshold 0.97, edit_warmup_steps 1: shown in 9/12 pictures, without it in 1/12"
    )
    assert f"recommended      {said}, by embedded" in sega_vec("show", "glasses").stdout
    assert json.loads(sega_vec("show", "glasses", "--json").stdout)["recommended"] == RECOMMENDED.to_json()
    (library.root / "annotations" / library.resolve("glasses")[:2]).joinpath(
        f"{library.resolve('glasses')}.json"
    ).write_text("{")
    damaged = sega_vec("show", "glasses")
    assert "recommended      -" in damaged.stdout
    assert "damaged: " in damaged.stderr
