"""Exponential moving averages of weights: what is shipped is the average, not the last step."""

from __future__ import annotations

from torch.nn import Module
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def averaged(model: Module, decay: float) -> AveragedModel:
    """A running average of `model`'s weights, to be updated after each step; `.module` is the averaged model."""
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]
