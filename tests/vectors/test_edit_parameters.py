"""Signatures agree with the table of edit parameters."""

import inspect

import pytest

from sega_store.records.edit_parameters import EDIT_PARAMETERS, OF_RUN
from sega_vectors import Applier, Recorder, SegaGuidance


def test_recorder_takes_those_of_a_run_with_their_defaults() -> None:
    signature = inspect.signature(Recorder.__init__).parameters
    assert {parameter.name: signature[parameter.name].default for parameter in OF_RUN} == {
        parameter.name: parameter.default for parameter in OF_RUN
    }


@pytest.mark.parametrize("door", [Applier, SegaGuidance])
def test_what_applies_takes_all_that_can_be_applied(door: type) -> None:
    signature = inspect.signature(door).parameters
    names = [p.name if p.name != "edit_weight" else "edit_weights" for p in EDIT_PARAMETERS if p.applying]
    taken = [name for name in signature if "edit" in name]
    assert taken == names
    assert {signature[name].default for name in names} == {None}
