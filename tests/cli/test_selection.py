"""Conditions and REFs from standard input choose what commands are about."""

import json
from pathlib import Path

import pytest

from sega_store import Library
from tests.cli.conftest import SegaVec
from tests.cli.samples import make_noise, make_vector


@pytest.fixture
def several(library: Library) -> Library:
    """`glasses` and `smile` of seed 21, and `glasses` of the seeds 22 to 24, the last of which is tagged `good`."""
    for seed in (22, 23, 24):
        library.add(make_vector("glasses", seed=seed), make_noise(seed))
    library.annotate(of(library, 24)[0], tags=["good"])
    return library


def of(library: Library, *seeds: int, concept: str = "glasses") -> list[str]:
    """The ids of a concept's vectors of some seeds, newest first."""
    return [entry.id for entry in library.search(concept=concept) if entry.seed in seeds]


CONDITIONS = [
    (["--concept", "smile"], [], ["smile"]),
    (["--seed", "22..23,99"], [22, 23], []),
    (["--tag", "good"], [24], []),
    (["--noise", make_noise(22).sha256[:6].upper()], [22], []),
    (["--model", "embedded", "--since", "2026-01-01T00:00:23"], [23, 24], []),
    (["--since", "2026", "--concept", "glasses", "--seed", "21"], [21], []),
]


@pytest.mark.parametrize(("conditions", "seeds", "others"), CONDITIONS)
def test_each_command_takes_conditions(
    sega_vec: SegaVec, several: Library, conditions: list[str], seeds: list[int], others: list[str]
) -> None:
    expected = {*of(several, *seeds), *map(several.resolve, others)}
    assert set(sega_vec("ls", "-q", *conditions).stdout.split()) == expected
    assert set(json.loads(sega_vec("export", *conditions, "out", "--json").stdout)["vectors"]) == expected
    assert set(json.loads(sega_vec("push", "pushed", *conditions, "--json").stdout)["added"]) == expected
    pulled = sega_vec("pull", str(several.root), *conditions, "--library", "pulled", "--json")
    assert set(json.loads(pulled.stdout)["added"]) == expected
    assert set(Library("pushed")) == set(Library("pulled")) == set(Library("out")) == expected
    noises = {several.entry(identity).noise for identity in expected}
    said = len([identity for identity in expected if several.entry(identity).tags])
    assert json.loads(sega_vec("verify", *conditions, "--json").stdout)["files"] == len(expected) + len(noises) + said
    rows = json.loads(sega_vec("tag", "--json", *conditions, "+new").stdout)["vectors"]
    assert {row["id"] for row in rows if "new" in row["tags"]} == expected
    assert {entry.id for entry in several.search() if "new" in entry.tags} == expected
    before = set(several)
    assert set(json.loads(sega_vec("rm", *conditions, "--yes", "--json").stdout)["removed"]) == expected
    assert set(several) == before - expected


def test_conditions_narrow_refs(sega_vec: SegaVec, several: Library) -> None:
    assert "none meets all" in " ".join(sega_vec("rm", "smile", "--seed", "24", "--yes", exit_code=1).stderr.split())
    assert "names 4 vectors" in sega_vec("rm", "glasses", "--yes", exit_code=1).stderr
    sega_vec("rm", "glasses", "hat", "--seed", "22", "--yes", exit_code=1)
    expected = of(several, 22, 23)
    assert sega_vec("rm", "glasses", "--seed", "22,23", "--yes", "-q").stdout.split() == expected
    assert of(several, 21, 22, 23, 24) == of(several, 21, 24)


@pytest.mark.parametrize("seed", [["--seed", "22"], []])
def test_a_seed_tells_a_concepts_vectors_apart(sega_vec: SegaVec, several: Library, seed: list[str]) -> None:
    for command in (["show", "glasses"], ["rename", "glasses", "mine"], ["note", "glasses", "round"]):
        result = sega_vec(*command, *seed, "--json", exit_code=0 if seed else 1)
        if seed:
            assert json.loads(result.stdout)["id"] == of(several, 22)[0]
        else:
            assert "(--seed tells a concept's vectors apart)" in result.stderr
    sega_vec("compare", "glasses", "smile", "--seed", "21")
    assert "recorded at 21, 22, 23, 24" in sega_vec("show", "glasses", "--seed", "5", exit_code=1).stderr


def test_refs_come_from_standard_input(sega_vec: SegaVec, several: Library) -> None:
    listed = sega_vec("ls", "--seed", "22..23").stdout
    expected = of(several, 22, 23)
    assert "\t" in listed, "the columns of ls will do"
    assert sega_vec("ls", "-", "-q", input=listed).stdout.split() == expected
    assert sega_vec("ls", "-", "-q", "--seed", "22", input=listed).stdout.split() == of(several, 22)
    assert json.loads(sega_vec("export", "-", "a.zip", "--json", input=listed).stdout)["vectors"] == expected
    assert json.loads(sega_vec("push", "there", "-", "--json", input=listed).stdout)["added"] == expected
    assert "4 files checked" in sega_vec("verify", "-", input=listed).stderr
    tagged = json.loads(sega_vec("tag", "--json", "-", "+new", "-old", input="\n\n".join(expected)).stdout)
    assert [row["tags"] for row in tagged["vectors"]] == [["new"]] * 2
    assert "add --yes" in sega_vec("rm", "-", input=listed, exit_code=2).stderr
    assert json.loads(sega_vec("rm", "-", "--yes", "--json", input=listed).stdout)["removed"] == expected
    assert len(several) == 3


@pytest.mark.parametrize(
    "chosen", [["--tag", "none"], ["--concept", ""], ["--tag", ""], ["--model", ""], ["--seed", "99"], ["-"]]
)
def test_nothing_chosen_is_not_everything(sega_vec: SegaVec, several: Library, chosen: list[str]) -> None:
    before = {entry.id: entry.tags for entry in several.search()}
    for command in (["rm", "--yes"], ["push", "there"], ["verify"], ["tag"]):
        tags = ["+x"] if command == ["tag"] else []
        result = sega_vec(*command, *chosen, *tags, input="", exit_code=1)
        assert "chosen" in " ".join(result.stderr.split())
        assert result.stdout == ""
    sega_vec("export", *chosen, "out", input="", exit_code=1)
    assert not Path("there").exists()
    assert not Path("out").exists()
    assert {entry.id: entry.tags for entry in several.search()} == before


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["rm", "--yes"], "give REFs, or a condition"),
        (["tag"], "give its REF, or a condition"),
        (["tag", "--tag", "good", "smile", "new"], "Write +TAG"),
        (["rm", "--noise", "", "--yes"], "hexadecimal digits"),
        (["rm", "--noise", "g", "--yes"], "hexadecimal digits"),
        (["rm", "--since", "2026-13", "--yes"], "does not match the format"),
        (["rm", "--since", "", "--yes"], "does not match the format"),
        (["rm", "--seed", "", "--yes"], "not a list of seeds"),
    ],
)
def test_bad_input_removes_nothing(sega_vec: SegaVec, several: Library, command: list[str], message: str) -> None:
    assert message in " ".join(sega_vec(*command, exit_code=None).stderr.split())
    assert len(several) == 5


def test_conditions_come_from_the_environment(
    sega_vec: SegaVec, several: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGA_VEC_LS_SEED", "22..23")
    assert sega_vec("ls", "-q").stdout.split() == of(several, 22, 23)


def test_removing_many_asks_with_their_number(sega_vec: SegaVec, library: Library) -> None:
    for seed in range(30, 52):
        library.add(make_vector("hat", seed=seed), make_noise(seed))
    asked = sega_vec("rm", "--concept", "hat", input="n\n", exit_code=1).stderr
    assert "Remove 22 from" in asked
    assert "and 2 more" in asked
    assert len(library) == 24
