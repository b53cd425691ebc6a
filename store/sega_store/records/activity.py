"""Where and when a vector acts: the strength of m_t at each place of the picture."""

import numpy as np

from sega_store.records.dtypes import Array
from sega_store.records.vector import GuidanceVector


def activity(vector: GuidanceVector) -> Array:
    """The strength of a vector at each step, channel and place: |m_t|, joined over all but the last two dimensions.

    Returns:
        float32, shape (T, C, H, W): the L2 norm over the other spatial dimensions, such as a video's frames. With one
        spatial dimension H is 1.
    """
    magnitude = np.abs(vector.dense())
    steps, channels, *space = magnitude.shape
    if len(space) == 1:
        return magnitude[:, :, None]
    planes = magnitude.reshape((steps, channels, -1, *space[-2:]))
    joined: Array = planes[:, :, 0] if planes.shape[2] == 1 else strength(planes, 2).astype(np.float32)
    return joined


def strength(activity: Array, *axes: int) -> Array:
    """The L2 norm of an activity over some of its axes."""
    joined: Array = np.sqrt((activity.astype(np.float64) ** 2).sum(axis=axes))
    return joined
