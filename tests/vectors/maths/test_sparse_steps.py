"""Guidance as places and values, against dense arrays."""

import pytest
import torch

from sega_vectors import InvalidInputError
from sega_vectors.maths.sparse_steps import SparseSteps
from tests.store.samples import vector

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("edit_threshold", [0.0, 0.8])
def test_a_vector_s_steps_are_its_dense_ones(dtype: str, edit_threshold: float) -> None:
    recorded = vector(dtype=dtype)
    steps = SparseSteps.of_vector(recorded, edit_threshold).to(CPU)
    expected = recorded.thresholded(edit_threshold)
    assert steps.shape == recorded.shape[1:]
    assert steps.places.dtype == torch.int32
    assert list(steps.counts) == expected.counts().tolist()
    for step, dense in enumerate(torch.from_numpy(expected.dense())):
        total = torch.zeros(steps.shape)
        steps.add_to(total, step, 1.0)
        assert torch.equal(total, dense)
        steps.add_to(total, step, -0.5)
        torch.testing.assert_close(total, 0.5 * dense)


def test_a_looser_threshold_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="looser than the recording"):
        SparseSteps.of_vector(vector(edit_threshold=0.9, keep_threshold=0.9), 0.5)
