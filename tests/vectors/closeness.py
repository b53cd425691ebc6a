"""When recordings are the same but for rounding."""

import torch
from torch import Tensor


def rounding(edited: Tensor, plain: Tensor) -> float:
    """How far two edited runs may lie apart whose kernels round otherwise, for another number of rows say.

    Float32's rounding of the latents themselves, 1e-5 of their size after a run's steps, and a little of the edit,
    which is some hundredths of them or more.
    """
    return 1e-5 * float(plain.abs().max()) + 1e-4 * float((edited - plain).abs().max())


def assert_same_entries(found: Tensor, expected: Tensor, *, rtol: float, atol: float) -> None:
    """Assert that two m_t, shape (T, C, *S), agree where both keep an entry.

    Entries within rounding of their channel's quantile may be kept in one of them alone: kernels round according to
    the processor and the number of rows.
    """
    assert found.shape == expected.shape
    both = (found != 0) & (expected != 0)
    torch.testing.assert_close(found.where(both, 0), expected.where(both, 0), rtol=rtol, atol=atol)
    for one, other in ((found, expected), (expected, found)):
        magnitude = one.abs().flatten(2)
        least = magnitude.where(magnitude > 0, torch.inf).amin(dim=2, keepdim=True)
        alone = (magnitude > 0) & (other.flatten(2) == 0)
        assert not (alone & (magnitude > least + 2 * (atol + rtol * least))).any()
