import hashlib

import numpy as np
import pytest

from sega_store import InitialNoise, InvalidInputError
from sega_store.records.dtypes import widen
from tests.store.samples import Array, noise


def test_the_hash_is_of_header_and_bytes() -> None:
    array = np.arange(6, dtype=np.float16).reshape(2, 3)
    header = b'{"dtype":"float16","shape":[2,3],"version":"sega-noise-1"}\n'
    assert InitialNoise(array).sha256 == hashlib.sha256(header + array.astype("<f2").tobytes()).hexdigest()


def test_the_hash_tells_dtypes_and_shapes_apart() -> None:
    bits = np.arange(12, dtype=np.uint16)
    noises = [
        InitialNoise(bits.reshape(3, 4), dtype="bfloat16"),
        InitialNoise(bits.view(np.float16).reshape(3, 4)),
        InitialNoise(bits.reshape(4, 3), dtype="bfloat16"),
    ]
    assert len({n.sha256 for n in noises}) == len(set(noises)) == 3


def test_seed_and_device_are_no_identity() -> None:
    array = noise().array
    assert InitialNoise(array, seed=1) == InitialNoise(array, device="cuda")
    assert InitialNoise(array, seed=1).facts.seed == 1


def test_what_numpy_and_people_take_it_for() -> None:
    kept = noise(dtype="bfloat16")
    assert np.asarray(kept).dtype == np.float32
    np.testing.assert_array_equal(np.asarray(kept), widen(kept.array, "bfloat16"))
    assert np.asarray(noise(), dtype=np.float64).dtype == np.float64
    assert repr(kept) == f"<InitialNoise (2, 4, 4) bfloat16 of seed 21 on cpu, {kept.sha256[:12]}>"
    assert repr(InitialNoise(kept.array, dtype="bfloat16")) == f"<InitialNoise (2, 4, 4) bfloat16, {kept.sha256[:12]}>"


def test_the_array_is_a_read_only_copy() -> None:
    array = np.zeros((1, 2), np.float32)
    kept = InitialNoise(array)
    array[:] = 1
    assert not kept.array.any()
    with pytest.raises(ValueError, match="read-only"):
        kept.array[:] = 1


@pytest.mark.parametrize(
    ("array", "dtype", "message"),
    [
        (np.zeros((2, 2), np.float64), None, "float64"),
        (np.zeros((2, 2), np.uint16), None, "uint16"),
        (np.zeros((2, 2), np.float32), "bfloat16", "uint16"),
        (np.zeros(4, np.float32), None, r"\(C, \*S\)"),
        (np.zeros((2, 0), np.float32), None, r"\(C, \*S\)"),
        (np.full((2, 2), np.nan, np.float32), None, "finite"),
        (np.full((2, 2), 0x7F80, np.uint16), "bfloat16", "finite"),
    ],
)
def test_broken_rules_are_refused(array: Array, dtype: str | None, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        InitialNoise(array, dtype=dtype)
