"""Checkpoints: whatever has a `state_dict`, and the number of steps done, in one file that is replaced atomically."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch


class Stateful(Protocol):
    """Anything that a checkpoint can hold."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: Any, /) -> Any: ...


def save_checkpoint(path: Path, parts: Mapping[str, Stateful], step: int) -> None:
    """Writes the parts' states and `step`, the number of steps done."""
    temporary = path.with_suffix(".tmp")
    torch.save({"step": step, **{name: part.state_dict() for name, part in parts.items()}}, temporary)
    os.replace(temporary, path)


def load_checkpoint(path: Path, parts: Mapping[str, Stateful]) -> int:
    """Restores the parts where the file exists; returns the number of steps done, else 0."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=False)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return int(state["step"])
