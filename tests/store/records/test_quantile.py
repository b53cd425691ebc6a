import numpy as np
import pytest
import torch

from sega_store import Concept, GuidanceVector, InvalidInputError
from tests.store.samples import provenance, steps

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def recorded(psi: torch.Tensor, edit_threshold: float, keep_threshold: float) -> GuidanceVector:
    """What a recording of ψ at the given thresholds keeps, by torch.quantile."""
    magnitude = psi.abs().float()
    quantile = torch.quantile(magnitude.flatten(2), keep_threshold, dim=2)
    limit = quantile.reshape(*quantile.shape, *[1] * (psi.ndim - 2))
    kept = torch.where(magnitude >= limit, psi, torch.zeros_like(psi))
    dense = kept.view(torch.int16).numpy().view(np.uint16) if psi.dtype == torch.bfloat16 else kept.numpy()
    concept = Concept("glasses", edit_threshold=edit_threshold, keep_threshold=keep_threshold)
    dtype = str(psi.dtype).removeprefix("torch.")
    return GuidanceVector.from_dense(concept, dense, *steps(len(psi)), provenance(), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 4, 32, 32), (2, 3, 2, 7, 9), (3, 2, 11), (2, 2, 1)])
@pytest.mark.parametrize("coarse", [False, True], ids=["", "ties"])
def test_thresholding_is_recording_at_that_threshold(dtype: str, shape: tuple[int, ...], coarse: bool) -> None:
    psi = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    psi = ((psi * 4).round() / 4 if coarse else psi).to(DTYPES[dtype])
    psi[:, 0] *= 0.01
    psi[0, -1] = 0
    for keep in (0.0, 0.5, 0.9):
        for threshold in (0.9, 0.93, 0.95, 0.97, 0.999):
            assert recorded(psi, 0.999, keep).thresholded(threshold) == recorded(psi, threshold, threshold)


def test_thresholding_records_what_it_did() -> None:
    psi = torch.randn((2, 2, 8, 8), generator=torch.Generator().manual_seed(0))
    vector = recorded(psi, 0.95, 0.8)
    stricter = vector.thresholded(0.9)
    assert (stricter.concept.edit_threshold, stricter.concept.keep_threshold) == (0.9, 0.9)
    assert stricter.provenance.derived_from == (vector.content,)
    assert stricter.thresholded(0.9) is stricter


def test_a_looser_threshold_than_recorded_is_refused() -> None:
    vector = recorded(torch.ones((1, 1, 4, 4)), 0.95, 0.9)
    with pytest.raises(InvalidInputError, match=r"looser .* keep_threshold 0\.9.*record again"):
        vector.thresholded(0.85)
    with pytest.raises(InvalidInputError, match=r"\[0, 1\)"):
        vector.thresholded(1.0)
