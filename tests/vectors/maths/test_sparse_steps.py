"""Guidance as places and values: sums made by hand."""

import numpy as np
import torch

from sega_vectors.maths.sparse_steps import SparseSteps
from tests.store.samples import vector

CPU = torch.device("cpu")


def test_a_vector_s_steps_are_its_dense_ones() -> None:
    recorded = vector()
    steps = SparseSteps.of_vector(recorded)
    assert steps.shape == recorded.shape[1:]
    assert [places.dtype for places in steps.places] == [np.int32] * recorded.shape[0]
    uploaded = steps.to(CPU)
    for step, expected in enumerate(recorded.dense()):
        assert np.array_equal(uploaded.dense(step).numpy(), expected)


def test_sums_are_weighted_and_may_overlap() -> None:
    one = np.array([0, 3], np.int32), np.array([1.0, 2.0], np.float32)
    two = np.array([3, 5], np.int32), np.array([10.0, 20.0], np.float32)
    steps = SparseSteps.of_sums((1, 2, 3), [[(1.0, *one), (-0.5, *two)], [], [(2.0, *two)]])
    assert [places.tolist() for places in steps.places] == [[0, 3, 5], [], [3, 5]]
    assert [values.tolist() for values in steps.values] == [[1.0, -3.0, -10.0], [], [20.0, 40.0]]
    dense = steps.to(CPU)
    assert dense.dense(0).tolist() == [[[1.0, 0.0, 0.0], [-3.0, 0.0, -10.0]]]
    assert not dense.dense(1).any()
