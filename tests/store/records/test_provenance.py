import json
from dataclasses import replace
from typing import Any

import pytest

from sega_store import Concept, InvalidInputError, NoiseFacts, Provenance, recipe
from tests.store.samples import noise, provenance

CONCEPT = Concept("glasses")


def test_json_both_ways() -> None:
    facts = provenance(companions=(Concept("hat"),), negative_prompt="blurry", guidance_scale=None)
    again = Provenance.from_json(json.loads(json.dumps(facts.to_json())))
    assert again == facts
    assert hash(again) == hash(facts)
    assert recipe(CONCEPT, again) == recipe(CONCEPT, facts)


def test_the_recipe_is_what_was_asked_for() -> None:
    facts = provenance()
    asked = {
        recipe(Concept("hat"), facts),
        recipe(CONCEPT, facts),
        recipe(CONCEPT, provenance(noise(seed=1))),
        recipe(CONCEPT, provenance(prompt="a queen")),
        recipe(CONCEPT, provenance(guide=False)),
        recipe(CONCEPT, provenance(companions=(CONCEPT,))),
        recipe(CONCEPT, provenance(arguments={"eta": 1.0})),
        recipe(CONCEPT, replace(facts, scheduler=replace(facts.scheduler, config={}))),
        recipe(CONCEPT, replace(facts, model=replace(facts.model, fingerprint="e" * 64))),
        recipe(CONCEPT, replace(facts, model=replace(facts.model, dtype="float16"))),
        recipe(CONCEPT, replace(facts, derived_from=("0" * 64,))),
    }
    assert len(asked) == 11


def test_the_recipe_leaves_out_what_only_describes() -> None:
    facts = provenance()
    described = replace(
        facts,
        model=replace(facts.model, id="another/name", revision="main", device="cuda", denoiser="Renamed"),
        noise=replace(facts.noise, seed=None, device="cuda"),
        versions={"torch": "3.0"},
        created="2030-01-01T00:00:00Z",
    )
    assert recipe(CONCEPT, described) == recipe(CONCEPT, facts)


def test_facts_are_copied() -> None:
    config: dict[str, Any] = {"betas": (1, 2)}
    facts = replace(provenance().scheduler, config=config)
    config["betas"] = 0
    assert facts.config == {"betas": [1, 2]}


def test_times_are_kept_in_utc() -> None:
    assert replace(provenance(), created="2026-01-01T02:00:00+01:00").created == "2026-01-01T01:00:00.000000Z"


@pytest.mark.parametrize(
    ("record", "fields", "message"),
    [
        ("model", {"fingerprint": ""}, "blank"),
        ("scheduler", {"prediction_type": "noise"}, "epsilon"),
        ("scheduler", {"config": {"a": float("nan")}}, "plain JSON"),
        ("noise", {"sha256": "0" * 63}, "sha256"),
        ("noise", {"sha256": "F" * 64}, "sha256"),
        ("noise", {"seed": 1.5}, "seed"),
        ("run", {"num_inference_steps": 0}, "at least 1, met 0"),
        ("run", {"edit_mom_beta": 1.1}, r"\[0, 1\]"),
        ("run", {"guidance_scale": float("nan")}, "finite"),
        (None, {"created": "yesterday"}, "ISO 8601"),
        (None, {"created": "2026-01-01T00:00:00"}, "time zone"),
        (None, {"derived_from": ("abc",)}, "sha256"),
        (None, {"versions": {"torch": ""}}, "blank"),
    ],
)
def test_broken_rules_are_refused(record: str | None, fields: dict[str, Any], message: str) -> None:
    facts = provenance()
    with pytest.raises(InvalidInputError, match=message):
        replace(facts if record is None else getattr(facts, record), **fields)


def test_zeros_name_no_noise() -> None:
    assert not NoiseFacts("0" * 64, None, "cpu", "float16").is_named
    assert noise().facts.is_named
