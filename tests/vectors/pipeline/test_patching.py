"""What is overridden comes back as it was, and each thread meets its own overrides alone."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from sega_vectors.pipeline.patching import overridden


def length(_former: Callable[..., Any], text: str) -> int:
    return len(text)


@pytest.mark.parametrize("own", [False, True], ids=["the class's", "its own"])
@pytest.mark.parametrize("fails", [False, True])
def test_what_was_there_shows_again(own: bool, fails: bool) -> None:
    module = nn.Linear(2, 2)
    if own:
        vars(module)["forward"] = module.forward  # as offloading does
    before = dict(vars(module))
    try:
        with overridden(module, "forward", length):
            assert module("four") == 4
            if fails:
                raise RuntimeError
    except RuntimeError:
        pass
    assert vars(module) == before
    assert ("forward" in vars(module)) == own


def test_the_override_inside_reaches_the_one_around_it() -> None:
    module = nn.Identity()
    with (
        overridden(module, "forward", lambda former, x: former(x) + 1),
        overridden(module, "forward", lambda former, x: former(x) * 10),
    ):
        assert module(1) == 20
    assert module(1) == 1


def test_threads_that_leave_in_another_order_leave_nothing() -> None:
    module, first_in, second_in, first_out = nn.Identity(), *[threading.Event() for _ in range(3)]
    met: dict[str, list[int]] = {}

    def first() -> None:
        with overridden(module, "forward", lambda former, x: former(x) + 1):
            first_in.set()
            second_in.wait(10)
            met["first"] = [module(0)]
        first_out.set()

    def second() -> None:
        first_in.wait(10)
        met["second"] = [module(0)]
        with overridden(module, "forward", lambda former, x: former(x) + 100):
            second_in.set()
            first_out.wait(10)
            met["second"].append(module(0))

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert met == {"first": [1], "second": [0, 100]}
    assert "forward" not in vars(module)
