"""Where and when a vector acts: the strength of m_t at each place of the picture."""

import math
from typing import Literal

import numpy as np

from sega_store.records.dtypes import Array
from sega_store.records.vector import GuidanceVector

MOST_CHANNELS = 16
MOST_SIDE = 1024
MOST_PLACES = 1 << 22  # of all planes


def activity(vector: GuidanceVector, by: Literal["step", "channel"] | None = None) -> Array:
    """The strength of a vector at each place, over all steps and channels, or in each step, or in each channel.

    It is the L2 norm of m_t over the rest, including the other spatial dimensions, such as a video's frames. Planes too
    large for a picture (a side above 1,024, or four million places together) are joined in square blocks.

    Returns:
        float64, shape (H, W), (T, H, W), or (C, H, W) with the first 16 channels. With one spatial dimension H is 1.
    """
    steps, channels, *space = vector.shape
    height, width = (1, *space)[-2:]
    size = math.prod(space)
    planes = {None: 1, "step": steps, "channel": min(channels, MOST_CHANNELS)}[by]
    side = min(MOST_SIDE, max(1, math.isqrt(MOST_PLACES // planes)))
    block = -(-max(height, width) // side)
    rows, columns = -(-height // block), -(-width // block)
    squares = np.zeros(planes * rows * columns)
    first = 0
    for kept, values in vector.blocks():
        if by == "channel" and first >= planes * size:
            break
        place, step = np.divmod(np.flatnonzero(kept), steps)
        channel, place = np.divmod(place + first, size)
        y, x = np.divmod(place % (height * width), width)
        plane = step if by == "step" else channel if by == "channel" else 0
        cell = (plane * rows + y // block) * columns + x // block
        within = cell < squares.size  # but for channels that aren't asked for, all
        np.add.at(squares, cell[within], values[within].astype(np.float64) ** 2)
        first += len(kept)
    return np.sqrt(squares).reshape((rows, columns) if by is None else (planes, rows, columns))
