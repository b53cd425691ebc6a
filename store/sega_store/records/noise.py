"""The initial noise of a run: the tensor x_T that it starts from.

A seed names it only for one device, dtype, shape and library version, so the noise itself is kept, by its hash.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import DTypeLike

from sega_store.errors import InvalidInputError
from sega_store.records import rules
from sega_store.records.dtypes import Array, check_dtype, little_endian, read_only, widen
from sega_store.records.json_record import canonical_json
from sega_store.records.provenance import NoiseFacts

NOISE_HASH_VERSION = "sega-noise-1"


@dataclass(frozen=True, init=False, eq=False)
class InitialNoise:
    """The initial noise of one sample; equal to another when its bytes, shape and dtype are.

    Attributes:
        array: Shape (C, *S) with at least one spatial dimension; float32, float16, or uint16 that holds bfloat16
            bits. Finite and read-only.
        seed: The generator's seed, from 0 to 2^64 - 1, if known.
        device: The generator's device.
        dtype: `float32`, `float16` or `bfloat16`; None means the array's own.

    Raises:
        InvalidInputError: A rule is broken.
    """

    array: Array
    seed: int | None
    device: str
    dtype: str

    def __init__(self, array: Array, seed: int | None = None, device: str = "cpu", dtype: str | None = None) -> None:
        dtype = str(getattr(array, "dtype", None)) if dtype is None else dtype
        check_dtype("initial noise", array, dtype)
        if array.ndim < 2 or 0 in array.shape:
            raise InvalidInputError(f"Initial noise is one sample of shape (C, *S), none of them 0, met {array.shape}.")
        if not np.isfinite(widen(array, dtype)).all():
            raise InvalidInputError("Initial noise must be finite, met NaN or an infinity.")
        object.__setattr__(self, "array", read_only(array))
        object.__setattr__(self, "seed", rules.seed("seed", seed))
        object.__setattr__(self, "device", rules.text("device", device))
        object.__setattr__(self, "dtype", dtype)

    @cached_property
    def sha256(self) -> str:
        """Its name: sha256 over a canonical JSON header, a newline, and the little-endian bytes in C order."""
        header = {"version": NOISE_HASH_VERSION, "dtype": self.dtype, "shape": list(self.array.shape)}
        digest = hashlib.sha256(canonical_json(header) + b"\n")
        digest.update(little_endian(self.array))
        return digest.hexdigest()

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, *S)."""
        return self.array.shape

    @property
    def facts(self) -> NoiseFacts:
        """What a vector's provenance says of it."""
        return NoiseFacts(self.sha256, self.seed, self.device, self.dtype)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        """What numpy takes it for: its numbers, bfloat16 as float32."""
        return np.array(widen(self.array, self.dtype), dtype, copy=copy)

    def __repr__(self) -> str:
        seed = "" if self.seed is None else f" of seed {self.seed} on {self.device}"
        return f"<InitialNoise {self.shape} {self.dtype}{seed}, {self.sha256[:12]}>"

    def __eq__(self, other: object) -> bool:
        return self.sha256 == other.sha256 if isinstance(other, InitialNoise) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.sha256)
