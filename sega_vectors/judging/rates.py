"""Rates: how sure a share of successes is."""

import math


def wilson(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """The Wilson score interval of a rate, 95% by default.

    scipy has it too, in `binomtest(...).proportion_ci(method="wilson")`; commands that need it work without scipy.
    """
    rate, spread = successes / trials, z * z / trials
    centre = (rate + spread / 2) / (1 + spread)
    margin = z / (1 + spread) * math.sqrt(rate * (1 - rate) / trials + spread / (4 * trials))
    return max(0.0, centre - margin), min(1.0, centre + margin)
