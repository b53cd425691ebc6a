"""What a page says of making a vector again and applying it, tried."""

import ast
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from sega_cli.browse.parts.reproduce import apply_it, record_again, shell
from sega_store import Concept, GuidanceVector, Library
from tests.cli.conftest import SegaVec
from tests.cli.samples import make_vector

EVIL = "it's \x1b[201~; touch evil\n\r\x07 $(touch evil) `x` \\ \" \u202e \x9b é ☃ \U000e0041"
COMPANION = Concept("smile", edit_cooldown_steps=4, reverse_editing_direction=True, edit_guidance_scale=-2.5)


@pytest.mark.parametrize("concept", ["glasses", "hat", "beard"])
def test_the_command_that_is_shown_records_the_same(shown: Library, sega_vec: SegaVec, concept: str) -> None:
    vector = shown[shown.search(concept=concept)[0].id]
    line = record_again(vector, shown.where).command
    assert line
    result = sega_vec(*shlex.split(line)[1:])
    assert "held" in result.stdout
    assert vector.id[:8] in result.stdout
    assert len(shown) == 4


def test_the_command_gives_the_calls_other_arguments(record: SegaVec, sega_vec: SegaVec, folder: Path) -> None:
    arguments = ("--height", "40", "--arg", "eta=0.5", "--arg", "cross_attention_kwargs={}")
    record("--concept", "glasses", "--no-preview", *arguments)
    library = Library(folder / "library")
    line = record_again(library["glasses"], library.where).command
    assert line
    assert "--height 40" in line
    assert "held already" in sega_vec(*shlex.split(line)[1:]).stdout


def test_the_python_that_is_shown_runs(shown: Library, folder: Path) -> None:
    vector = shown["hat"]
    python = record_again(vector, shown.where).python
    assert python
    names: dict[str, object] = {}
    exec(compile(python, "record", "exec"), names)
    again = names["vector"]
    assert isinstance(again, GuidanceVector)
    assert again == vector
    assert again.recipe == vector.recipe
    applied = apply_it(vector, "hat", shown.where).python
    assert applied
    exec(compile(applied, "apply", "exec"), {})
    assert (folder / "queen.png").is_file()


def test_the_command_that_applies_runs(shown: Library, sega_vec: SegaVec, folder: Path) -> None:
    vector = shown["hat"]
    line = apply_it(vector, shown.short(vector.id), shown.where).command
    assert line
    assert f"{vector.id[:8]}:1.5" in line
    sega_vec(*shlex.split(line)[1:])
    assert len(list((folder / "sega-vec-out").glob("*.png"))) == 1


def evil_vector(*companions: Concept) -> GuidanceVector:
    plain = make_vector()
    facts = replace(
        plain.provenance, run=replace(plain.provenance.run, prompt=EVIL, negative_prompt=EVIL, companions=companions)
    )
    model = replace(facts.model, id=f"-{EVIL}")
    return replace(plain, concept=Concept(f"--{EVIL}"), provenance=replace(facts, model=model))


def test_what_is_pasted_commands_no_terminal(folder: Path) -> None:
    vector = evil_vector(replace_text(COMPANION), Concept("c", edit_cooldown_steps=5))
    vector = replace(vector, concept=Concept(f"--{EVIL}", edit_cooldown_steps=3))
    record, apply = record_again(vector, EVIL), apply_it(vector, EVIL, EVIL)
    for made in (record, apply):
        assert made.command
        assert made.command.isprintable()
        done = subprocess.run(
            ["bash", "-c", f"sega-vec() {{ printf '%s\\0' \"$@\"; }}; {made.command}"], capture_output=True, check=True
        )
        assert EVIL in done.stdout.decode().split("\0")
        assert made.python
        tree = ast.parse(made.python)
        assert EVIL in {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        assert all(line.isprintable() for line in made.python.splitlines())
    assert not (folder / "evil").exists()


def replace_text(concept: Concept) -> Concept:
    return Concept(EVIL, **{k: v for k, v in concept.to_json().items() if k != "text"})


def test_what_the_command_line_cannot_say_is_left_to_python() -> None:
    vector = make_vector()
    noise = replace(vector.provenance.noise, seed=None)
    cases = {
        "seed of its initial noise": replace(vector.provenance, noise=noise),
        "other arguments: image. They are known by their hash": replace(
            vector.provenance, run=replace(vector.provenance.run, arguments={"image": "sha256:1a", "eta": 1.0})
        ),
        "cool-down": replace(vector.provenance, run=replace(vector.provenance.run, companions=(COMPANION,))),
    }
    for remark, facts in cases.items():
        made = record_again(replace(vector, provenance=facts), "library")
        assert made.command is None
        assert made.python
        compile(made.python, "record", "exec")
        assert any(remark in said for said in made.remarks)
    computed = record_again(vector * 2, "library")
    assert (computed.command, computed.python) == (None, None)
    assert vector.content[:12] in computed.remarks[0]


@pytest.mark.parametrize("word", ["", "a b", "it's", "\n", "é\x07", "\u202e", "\\\x1b'"])
def test_words_come_back_from_the_shell(word: str) -> None:
    line = shell("printf", "%s", word)
    assert line.isprintable()
    assert subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout.decode() == word
