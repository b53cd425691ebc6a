"""The content hash: what makes two vectors the same, however they were compressed and whatever is said of them."""

import hashlib

from sega_store.records.dtypes import Array, little_endian
from sega_store.records.json_record import canonical_json
from sega_store.records.support import Support

CONTENT_VERSION = "sega-content-1"


def content(support: Support, values: Array, dtype: str, timesteps: Array, sigmas: Array) -> str:
    """The sha256, as 64 hexadecimal digits, of these bytes, one after the other:

    1. the canonical JSON of `{"version": "sega-content-1", "dtype": ..., "shape": [T, C, *S], "nnz": ...}`;
    2. one newline;
    3. the support in the order (C, *S, T), eight entries a byte, the first in the highest bit, the last byte filled
       up with zeros;
    4. the values, little-endian (bfloat16 as its bits);
    5. the timesteps, then the sigmas, as little-endian float64.

    Args:
        support: Of shape (T, C, *S).
        values: Shape (nnz,), in the order (C, *S, T).
        dtype: The values' dtype.
        timesteps: float64, shape (T,).
        sigmas: float64, shape (T,).
    """
    header = {"version": CONTENT_VERSION, "dtype": dtype, "shape": list(support.shape), "nnz": values.size}
    digest = hashlib.sha256(canonical_json(header) + b"\n")
    digest.update(support.bits.data)
    for array in (values, timesteps, sigmas):
        digest.update(little_endian(array))
    return digest.hexdigest()
