"""The table of edit parameters."""

import inspect
from dataclasses import fields

import pytest

from sega_store import Concept, InvalidInputError, Recommendation
from sega_store.records.edit_parameters import BY_NAME, EDIT_PARAMETERS, OF_CONCEPT, OF_RUN, RECOMMENDED
from sega_store.records.provenance import RunFacts


def test_concept_has_the_parameters_of_a_concept_with_their_defaults() -> None:
    signature = inspect.signature(Concept.__init__).parameters
    assert list(signature)[2:] == [parameter.name for parameter in OF_CONCEPT]
    assert {p.name: p.default for p in OF_CONCEPT} == {name: signature[name].default for name in list(signature)[2:]}
    assert [field.name for field in fields(Concept)][1:] == [parameter.name for parameter in OF_CONCEPT]


def test_records_have_the_others() -> None:
    assert {parameter.name for parameter in OF_RUN} <= {field.name for field in fields(RunFacts)}
    assert tuple(field.name for field in fields(Recommendation))[: len(RECOMMENDED)] == RECOMMENDED


def test_defaults_keep_their_own_rules() -> None:
    for parameter in EDIT_PARAMETERS:
        assert parameter.default is None or parameter.check(parameter.default) == parameter.default


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("edit_threshold", 1, r"edit_threshold must be in \[0, 1\), met 1: .* the strongest 5%"),
        ("edit_mom_beta", 1.5, r"edit_mom_beta must be in \[0, 1\], met 1.5: it is the momentum's decay\."),
        ("edit_weight", -1, "edit_weight must be at least 0, met -1. To guide away"),
        ("edit_warmup_steps", -1, "edit_warmup_steps must be a whole number of at least 0"),
        ("edit_momentum_scale", float("nan"), "edit_momentum_scale must be a finite number"),
    ],
)
def test_rules_are_said_with_the_value(name: str, value: float, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        BY_NAME[name].check(value)
