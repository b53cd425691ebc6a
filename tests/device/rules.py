"""What of a run's operations breaks the rules of a device, watched one by one.

No operation mixes devices; from the second step on, nothing of sega_vectors waits for the device or uploads to it, as
each would hold up the work that is queued there; and nothing of it makes float64 there, which MPS hasn't.
"""

import sys
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from tests.device.standin import DEVICE

_WAITS = {
    "_local_scalar_dense",
    "_unique2",
    "bincount",
    "equal",
    "is_nonzero",
    "masked_select",
    "nonzero",
    "unique_consecutive",
    "unique_dim",
}
_COPIES = {"_copy_from", "_to_copy", "copy_"}
_INDEXING = {"_index_put_impl_", "index", "index_put", "index_put_"}
_NOT_CALLERS = ("/torch/", "/tests/device/rules.py", "/contextlib.py", "/functools.py")


@dataclass(frozen=True)
class Breach:
    """An operation that breaks a rule.

    `step` 0 is the first step and what comes before it; `place` is a file and line.
    """

    step: int
    rule: str
    place: str
    operation: str


@dataclass
class Rules(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches operations while it is entered; `step` is counted up when the scheduler has stepped."""

    step: int = 0
    breaches: list[Breach] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def broken(self, steps: int) -> list[Breach]:
        """The breaches; waits and uploads only between the second step and the last, where they hold a run up."""
        return [b for b in self.breaches if b.rule in ("mixed", "float64") or 1 <= b.step < steps - 1]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        place = _place()
        if place is not None:
            name = func._schema.name.split("::")[-1]
            self.breaches += [Breach(self.step, rule, place, name) for rule in _rules(name, args, kwargs, out)]
        return out


def _rules(name: str, args: Any, kwargs: Any, out: Any) -> set[str]:
    """The rules that an operation breaks."""
    inputs, outputs = _tensors((args, kwargs)), _tensors(out)
    on_device = [t for t in inputs if t.device.type == DEVICE]
    on_host = [t for t in inputs if t.device.type == "cpu"]
    broken = set()
    if any(t.device.type == DEVICE and t.dtype in (torch.float64, torch.complex128) for t in outputs):
        broken.add("float64")
    if name in _COPIES:
        if on_device and any(t.device.type == "cpu" for t in outputs):
            broken.add("wait")
        if on_host and any(t.device.type == DEVICE for t in outputs):
            broken.add("upload")
    elif on_device:
        if name in _WAITS:
            broken.add("wait")
        if name in _INDEXING:
            indices = _tensors(args[1])
            if any(i.dtype in (torch.bool, torch.uint8) for i in indices):
                broken.add("wait")
            if any(i.device.type == "cpu" for i in indices):
                broken.add("upload")
        elif any(t.ndim for t in on_host):
            broken.add("mixed")
    return broken


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _place() -> str | None:
    """The file and line of sega_vectors that called an operation itself; None if another did."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if "/torch/nn/modules/" in file and not file.endswith("module.py"):
            return None
        if not any(part in file for part in _NOT_CALLERS):
            return f"{file.split('/sega_vectors/')[-1]}:{frame.f_lineno}" if "/sega_vectors/" in file else None
        frame = frame.f_back
    return None
