"""Half precision where the processor computes in it; where it would be emulated, it is many times slower."""

from __future__ import annotations

import torch


def mixed_precision() -> torch.autocast:
    """A context in which layers compute in bfloat16, or one that does nothing."""
    abilities = torch.cpu.get_capabilities()
    return torch.autocast("cpu", torch.bfloat16, enabled=bool(abilities["avx512_bf16"] or abilities["amx_bf16"]))
