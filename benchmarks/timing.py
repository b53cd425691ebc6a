"""Ratios measured side by side: contenders take turns, and each round gives one ratio to the round's baseline."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from tqdm import tqdm


@dataclass(frozen=True)
class Row:
    """One measured figure.

    Attributes:
        what: What was measured, against what.
        figure: The measured ratio.
        limit: What it may be at most.
    """

    what: str
    figure: float
    limit: float

    def __str__(self) -> str:
        mark = "" if self.figure <= self.limit else " **missed**"
        return f"| {self.what} | {self.figure:.3f}{mark} | {self.limit:g} |"


def side_by_side(
    contenders: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """The time of each contender in each round, after one round of warm-up.

    Args:
        contenders: Contenders by name. A round calls all of them in their order, every other round in the opposite
            order. Put contenders next to each other if you want their ratio, since machines get slower and faster in
            the course of a round.
        rounds: How many rounds to run.
        clock: Gives the seconds so far.

    Returns:
        Seconds for each contender, one a round.
    """
    names = list(contenders)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in tqdm(range(-1, rounds), desc="rounds", leave=False):
        for name in names if number % 2 else reversed(names):
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            start = clock()
            contenders[name]()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if number >= 0:
                seconds[name].append(clock() - start)
    return seconds


def ratio(seconds: Mapping[str, list[float]], name: str, baseline: str) -> float:
    """The median over the rounds of a contender's time over the baseline's in the same round."""
    return statistics.median(a / b for a, b in zip(seconds[name], seconds[baseline], strict=True))
