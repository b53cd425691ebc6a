"""Makes the golden files: one of each kind that a format knows. Run once per format, never by a test:

    python -m tests.store.make_golden

What is there already stays, so that a file written years ago must still be readable.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sega_store import Concept, GuidanceVector, InitialNoise, Preview, write_noise, write_vector
from sega_store.files.header import NoiseHeader, VectorHeader
from sega_store.records.dtypes import narrow

from .samples import provenance

GOLDEN = Path(__file__).parent / "golden"
INDEX = GOLDEN / "index.json"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


def _numbers(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Numbers from -8 to 8 that look random and are the same, to the bit, on every machine."""
    count = int(np.prod(shape))
    return ((np.arange(count) * 7919 % 1021 - 510) / 64).astype(np.float32).reshape(shape)


def _noise(shape: tuple[int, ...], dtype: str) -> InitialNoise:
    return InitialNoise(narrow(_numbers(shape), dtype), seed=21, dtype=dtype)


def _vector(shape: tuple[int, ...], dtype: str, limit: float = 7, preview: Preview | None = None) -> GuidanceVector:
    numbers = _numbers(shape)
    dense = np.where(np.abs(numbers) >= limit, numbers, np.float32(0))
    concept = Concept("glasses", edit_warmup_steps=1)
    facts = provenance(
        _noise(shape[1:], dtype),
        prompt="a portrait of a king, “café” 王",
        companions=(Concept("hat", edit_warmup_steps=10),),
    )
    steps = np.arange(shape[0])
    return GuidanceVector.from_dense(
        concept, narrow(dense, dtype), 981.0 - 20 * steps, 14.0 / (steps + 1), facts, dtype, preview
    )


def contents() -> dict[str, bytes]:
    """The files by name, as they are written today."""
    image = (5, 4, 8, 8)
    vectors = {
        "vector-float32": _vector(image, "float32"),
        "vector-float16": _vector(image, "float16"),
        "vector-bfloat16": _vector(image, "bfloat16"),
        "vector-video": _vector((3, 4, 3, 6, 6), "float32"),
        "vector-empty": _vector(image, "float32", limit=9),
        "vector-full": _vector((2, 2, 4, 4), "float32", limit=0),
        "vector-preview": _vector(image, "float16", preview=Preview(PNG, PNG, "image/png")),
    }
    noises = {f"noise-{dtype}": _noise(image[1:], dtype) for dtype in ("float32", "float16", "bfloat16")}
    files = {name: write_vector(vector) for name, vector in vectors.items()}
    return files | {name: write_noise(noise) for name, noise in noises.items()}


def main() -> None:
    """Writes the files that aren't there, and the hashes that a reader must find in them."""
    from sega_store import read_noise, read_vector

    GOLDEN.mkdir(exist_ok=True)
    index = json.loads(INDEX.read_text()) if INDEX.exists() else {}
    for name, data in contents().items():
        header = NoiseHeader if name.startswith("noise") else VectorHeader
        path = GOLDEN / f"format{header.FORMATS[-1]}-{name}.zarr.zip"
        if path.exists():
            continue
        path.write_bytes(data)
        identity = read_noise(data).sha256 if name.startswith("noise") else read_vector(data).id
        index[path.name] = {"file": hashlib.sha256(data).hexdigest(), "id": identity}
    INDEX.write_text(json.dumps(index, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
