"""How pictures are split into calls."""

from collections.abc import Sequence

import pytest
import torch

from sega_cli.generating.batches import MOST, Batches

CPU = torch.device("cpu")


class Calls:
    """Doubles numbers, and remembers how many it was given at once."""

    def __init__(self, most: int = 100, error: type[Exception] = torch.OutOfMemoryError) -> None:
        self.sizes: list[int] = []
        self._most, self._error = most, error

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.sizes.append(len(items))
        if len(items) > self._most:
            raise self._error("too many")
        return [2 * item for item in items]


def test_a_size_that_is_given_is_kept() -> None:
    calls = Calls()
    assert list(Batches(CPU, 3).of(range(7), calls)) == [2 * item for item in range(7)]
    assert calls.sizes == [3, 3, 1]


def test_the_first_call_tells_how_many_fit() -> None:
    batches, calls = Batches(CPU), Calls()
    assert list(batches.of(range(20), calls)) == [2 * item for item in range(20)]
    assert calls.sizes == [1, MOST, 19 - MOST]
    list(batches.of(range(20), calls))
    assert calls.sizes[3:] == [MOST, 20 - MOST], "what is known holds for the next items"


def test_little_memory_allows_few(monkeypatch: pytest.MonkeyPatch) -> None:
    batches, calls = Batches(CPU), Calls()
    used = iter([0, 100])
    monkeypatch.setattr(batches, "_used", lambda peak=False: next(used, 0))
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("", (), {"available": 650}))
    list(batches.of(range(7), calls))
    assert calls.sizes == [1, 3, 3]


def test_a_call_that_memory_lacks_for_is_halved() -> None:
    calls = Calls(most=5)
    assert list(Batches(CPU).of(range(12), calls)) == [2 * item for item in range(12)]
    assert calls.sizes == [1, 11, 5, 5, 1]


def test_a_pipeline_that_takes_one_prompt_gets_one() -> None:
    calls = Calls(most=1, error=ValueError)
    assert list(Batches(CPU).of(range(4), calls)) == [0, 2, 4, 6]
    assert calls.sizes == [1, 3, 1, 1, 1]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, ValueError])
def test_what_can_t_be_done_is_raised(error: type[Exception]) -> None:
    with pytest.raises(error):
        list(Batches(CPU, 2).of(range(2), Calls(most=1, error=error)))
    with pytest.raises(error):
        list(Batches(CPU).of(range(2), Calls(most=0, error=error)))
