"""Training in several sittings: checkpoints, and a learning rate that can be stopped at any step and gone on with.

A checkpoint, `PART.pt`, is whatever has a `state_dict`, and the number of steps done, in one file that is replaced
atomically. Beside it lies `PART.safetensors`, the averaged weights alone in half precision, small enough for the
repository: where there is no checkpoint, training goes on from them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn import Module
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Training:
    """A model, its optimizer, and `average`: the model with the running average of its weights, which is what is kept.

    Args:
        model: Is trained by the caller, who calls `update` after each step of the optimizer.
        optimizer: Of the model's parameters.
        decay: How much of the average stays at each step.
    """

    def __init__(self, model: Module, optimizer: Optimizer, decay: float) -> None:
        averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]
        self._parts: dict[str, Any] = {"model": model, "average": averaged, "optimizer": optimizer}
        self.update = averaged.update_parameters
        self.average = averaged.module

    def save(self, path: Path, step: int) -> None:
        """Writes checkpoint and weights after `step` steps."""
        temporary = path.with_suffix(".tmp")
        torch.save({"step": step, **{name: part.state_dict() for name, part in self._parts.items()}}, temporary)
        os.replace(temporary, path)
        weights = {name: w.half().contiguous() for name, w in self.average.state_dict().items()}
        save_file(weights, path.with_suffix(".safetensors"), {"step": str(step)})

    def load(self, path: Path) -> int:
        """Restores the checkpoint, else the weights; returns the number of steps done, 0 where there is neither."""
        weights = path.with_suffix(".safetensors")
        if path.exists():
            state = torch.load(path, weights_only=False)
            for name, part in self._parts.items():
                part.load_state_dict(state[name])
            return int(state["step"])
        if weights.exists():
            with safe_open(weights, "pt") as file:
                state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
                step = int(file.metadata()["step"])
            for module in (self._parts["model"], self.average):
                module.load_state_dict(state)
            return step
        return 0

    def set_rate(self, peak: float, step: int, steps: int) -> None:
        """Warm-up over 200 steps, then constant, then down to a fiftieth over the last quarter of `steps`."""
        rate = peak * min(1.0, (step + 1) / 200, 0.02 + 0.98 * (steps - step) / (0.25 * steps))
        for group in self._parts["optimizer"].param_groups:
            group["lr"] = rate


def stop(part: str, step: int, steps: int) -> None:
    """Ends a sitting that ran out of time."""
    raise SystemExit(f"{part}: stopped after {step} of {steps} steps; run it again to go on")
