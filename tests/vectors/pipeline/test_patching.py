"""What is replaced comes back as it was."""

import pytest
from torch import nn

from sega_vectors.pipeline.patching import replaced


@pytest.mark.parametrize("own", [False, True], ids=["the class's", "its own"])
@pytest.mark.parametrize("fails", [False, True])
def test_what_was_there_shows_again(own: bool, fails: bool) -> None:
    module = nn.Linear(2, 2)
    if own:
        vars(module)["forward"] = module.forward  # as offloading does
    before = dict(vars(module))
    try:
        with replaced(module, "forward", len):
            assert module("four") == 4
            if fails:
                raise RuntimeError
    except RuntimeError:
        pass
    assert vars(module) == before
    assert ("forward" in vars(module)) == own
