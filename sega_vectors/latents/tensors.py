"""Tensors to and from numpy, and the names of dtypes."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def dtype_name(dtype: torch.dtype) -> str:
    """`float32` for `torch.float32`."""
    return str(dtype).removeprefix("torch.")


def as_numpy(tensor: Tensor) -> NDArray[Any]:
    """A tensor on the host; bfloat16, which numpy lacks, as its bits in uint16."""
    tensor = tensor.detach().cpu().contiguous()
    return tensor.view(torch.uint16).numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()


def as_doubles(tensor: Tensor) -> NDArray[np.float64]:
    """A tensor's values on the host as float64. They are widened there, since not every device has that type."""
    values: NDArray[np.float64] = tensor.detach().cpu().double().numpy()
    return values


def same_but_for_rounding(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors of one shape are results of the same arithmetic, which kernels may round otherwise."""
    allowed = max(1e-4, 4 * torch.finfo(other.dtype).eps)
    return bool((one.to(other) - other).abs().max() <= allowed * other.abs().max())
