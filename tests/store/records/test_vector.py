from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from sega_store import Concept, GuidanceVector, InvalidInputError
from tests.store.samples import PREVIEW, Array, provenance, steps, vector, vectors


@given(vectors())
def test_dense_both_ways(sparse: GuidanceVector) -> None:
    dense = sparse.dense()
    assert dense.shape == sparse.shape
    np.testing.assert_array_equal(dense != 0, sparse.support)
    again = GuidanceVector.from_dense(sparse.concept, dense, sparse.timesteps, sparse.sigmas, sparse.provenance)
    assert (again == sparse) == (sparse.dtype == "float32")
    np.testing.assert_array_equal(again.dense(), dense)


def test_values_run_over_channel_space_step() -> None:
    dense = np.arange(1, 13, dtype=np.float32).reshape(2, 3, 2)
    sparse = GuidanceVector.from_dense(Concept("x"), dense, *steps(2), provenance())
    np.testing.assert_array_equal(sparse.values, [dense[t, c, s] for c in range(3) for s in range(2) for t in range(2)])


def test_zeros_are_dropped() -> None:
    support = np.zeros((2, 1, 3), bool)
    support[0, 0, 0] = support[1, 0, 0] = support[1, 0, 2] = True
    values = np.array([1, 0, -0.0], np.float32)
    sparse = GuidanceVector(Concept("x"), support, values, "float32", *steps(2), provenance())
    assert sparse.nnz == 1
    assert sparse.dense()[0, 0, 0] == 1
    assert sparse.counts().tolist() == [1, 0]
    assert support.sum() == 3


def test_counts_and_energy() -> None:
    sparse = vector(shape=(4, 2, 3, 5))
    dense = sparse.dense().reshape(4, -1)
    np.testing.assert_array_equal(sparse.counts(), (dense != 0).sum(1))
    np.testing.assert_allclose(sparse.energy(), np.linalg.norm(dense.astype(float), axis=1), rtol=1e-12)


def test_identity_is_content_not_what_is_said_of_it() -> None:
    sparse = vector()
    assert sparse.with_preview(PREVIEW) == sparse
    assert replace(sparse, provenance=provenance(prompt="a queen")) == sparse
    assert replace(sparse, provenance=provenance(prompt="a queen")).id != sparse.id
    assert hash(sparse.with_preview(PREVIEW)) == hash(sparse)
    others: list[dict[str, Any]] = [
        {"timesteps": sparse.timesteps + 1},
        {"sigmas": sparse.sigmas + 1},
        {"values": -sparse.values},
    ]
    for other in others:
        assert replace(sparse, **other) != sparse


def test_arrays_are_read_only_copies() -> None:
    support, values = np.ones((1, 1, 2), bool), np.ones(2, np.float32)
    sparse = GuidanceVector(Concept("x"), support, values, "float32", *steps(1), provenance())
    values[:] = 2
    assert sparse.values.tolist() == [1, 1]
    for array in (sparse.support, sparse.values, sparse.timesteps, sparse.sigmas):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_a_step_without_signal_has_an_infinite_sigma() -> None:
    assert replace(vector(), sigmas=np.array([np.inf, 2, 1])).sigmas[0] == np.inf


BFLOAT16_NAN = np.full(1, 0x7FC0, np.uint16)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"support": np.ones((1, 1, 2), np.uint8)}, "bool"),
        ({"support": np.ones((1, 2), bool)}, r"\(T, C, \*S\)"),
        ({"support": np.ones((0, 1, 2), bool)}, "none of them 0"),
        ({"values": np.ones(3, np.float32)}, "each of the 2 true entries"),
        ({"values": np.ones((2, 1), np.float32)}, "each of the 2 true entries"),
        ({"values": np.ones(2, np.float64)}, "float64"),
        ({"values": np.ones(2, np.uint16)}, "uint16"),
        ({"dtype": "float64"}, "float64"),
        ({"values": np.array([1, np.nan], np.float32)}, "finite"),
        ({"values": np.array([1, -np.inf], np.float16), "dtype": "float16"}, "finite"),
        ({"values": BFLOAT16_NAN.repeat(2), "dtype": "bfloat16"}, "finite"),
        ({"timesteps": np.ones(2)}, r"shape \(1,\)"),
        ({"sigmas": np.ones(1, np.float32)}, "float64"),
        ({"timesteps": np.array([np.nan])}, "NaN"),
        ({"sigmas": np.array([np.nan])}, "NaN"),
        ({"sigmas": np.array([-1.0])}, "at least 0"),
    ],
)
def test_broken_rules_are_refused(fields: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {
        "concept": Concept("x"),
        "support": np.ones((1, 1, 2), bool),
        "values": np.ones(2, np.float32),
        "dtype": "float32",
        "timesteps": np.ones(1),
        "sigmas": np.ones(1),
        "provenance": provenance(),
    }
    GuidanceVector(**good)
    with pytest.raises(InvalidInputError, match=message):
        GuidanceVector(**good | fields)


@pytest.mark.parametrize("dense", [np.full((1, 1, 2), np.nan, np.float32), np.full((1, 1, 2), 0x7FC0, np.uint16)])
def test_a_dense_nan_is_refused(dense: Array) -> None:
    dtype = "bfloat16" if dense.dtype == np.uint16 else None
    with pytest.raises(InvalidInputError, match="finite"):
        GuidanceVector.from_dense(Concept("x"), dense, *steps(1), provenance(), dtype)
