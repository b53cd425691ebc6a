"""The per-channel λ-quantile of a sparse ψ, and what reaches it.

    m = ψ where |ψ| >= λ-quantile of |ψ| in its own step and channel, else 0                                       (6)

The quantile interpolates linearly between order statistics, in float32, exactly as `torch.quantile` does: its rank is
float32(λ) * float32(N - 1) among the N entries of a channel. What an earlier, looser threshold dropped is below
everything kept and counts as zeros, which leaves every quantile of stricter λ that falls among the kept entries as
it was.

References:
    SEGA: Instructing Text-to-Image Models using Semantic Guidance, Brack et al., arXiv 2301.12247
"""

import numpy as np

from sega_store.records.dtypes import Array


def reaches_quantile(magnitude: Array, row: Array, rows: int, size: int, threshold: float) -> Array:
    """Which of the kept entries are at or above the quantile of their row.

    Args:
        magnitude: |ψ| of the kept entries, shape (nnz,).
        row: The row, that is step and channel, of each, shape (nnz,).
        rows: The number of rows.
        size: N, the number of entries in a row, kept or not.
        threshold: λ in [0, 1).
    """
    # A float >= 0 sorts as its bits do: one sort of integers orders the magnitudes within each row.
    keys = row.astype(np.uint64)
    keys <<= 32
    keys |= magnitude.view(np.uint32)
    keys.sort()
    ordered = keys.astype(np.uint32).view(np.float32)
    count = np.bincount(row, minlength=rows)
    start = np.cumsum(count) - count

    rank = np.float32(threshold) * np.float32(size - 1)
    weight = rank - np.floor(rank)
    below, above = (_order_statistic(ordered, start, count, size, int(r)) for r in (np.floor(rank), np.ceil(rank)))
    if weight < np.float32(0.5):
        quantile = below + weight * (above - below)
    else:
        quantile = above - (above - below) * (np.float32(1) - weight)
    reached: Array = magnitude >= quantile[row]
    return reached


def _order_statistic(ordered: Array, start: Array, count: Array, size: int, rank: int) -> Array:
    """The entry of the given rank in each row, 0 being the lowest; the entries that weren't kept are zeros."""
    place = min(rank, size - 1) - (size - count)
    padded = np.append(ordered, np.float32(0))
    return np.where(place >= 0, padded[np.where(place >= 0, start + place, -1)], np.float32(0))
