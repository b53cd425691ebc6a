"""The vectors and noises that files hold, checked against the names of the files."""

import threading
from contextlib import nullcontext
from functools import partial

from sega_store.errors import InvalidInputError, VectorFileError
from sega_store.files.regular_file import file_errors
from sega_store.files.vector_file import check_noise_size, check_vector_size, read_noise, read_vector
from sega_store.places import layout
from sega_store.places.annotations import check_annotation_size
from sega_store.places.files import Files
from sega_store.records.annotation import parse_annotation
from sega_store.records.noise import InitialNoise
from sega_store.records.vector import GuidanceVector

LARGE = 1 << 20  # bytes of a file
_ONE_LARGE = threading.Lock()  # several are copied at once, but unpacked one after the other, which bounds the memory


def load_vector(files: Files, identity: str) -> GuidanceVector:
    """A library's vector.

    Raises:
        VectorFileError: Its file is damaged.
    """
    return files.load(layout.vector_key(identity), check_vector_size, partial(_vector, identity))


def load_noise(files: Files, sha256: str) -> InitialNoise | None:
    """A library's noise, if it is there; errors as of `load_vector`."""
    key = layout.noise_key(sha256)
    try:
        return files.load(key, check_noise_size, partial(_noise, sha256))
    except VectorFileError:
        if files.exists(key):
            raise
        return None


def read_whole(files: Files, key: str) -> bytes:
    """The bytes of a library's file, never of a local copy, checked in full and against its name.

    Raises:
        VectorFileError: It is damaged, or can't be read.
    """
    check_size, check = _CHECKS[key.partition("/")[0]]
    with file_errors(files.locate(key)):
        data = files.read(key, check_size)
        with _ONE_LARGE if len(data) > LARGE else nullcontext():
            check(layout.stem_of(key), data)
        return data


def _vector(identity: str, data: bytes) -> GuidanceVector:
    vector = read_vector(data)
    if vector.id != identity:
        raise InvalidInputError(f"its name isn't its hash, {vector.id}")
    return vector


def _noise(sha256: str, data: bytes) -> InitialNoise:
    noise = read_noise(data)
    if noise.sha256 != sha256:
        raise InvalidInputError(f"its name isn't its hash, {noise.sha256}")
    return noise


_CHECKS = {
    layout.VECTORS: (check_vector_size, _vector),
    layout.NOISE: (check_noise_size, _noise),
    layout.ANNOTATIONS: (check_annotation_size, lambda _, data: parse_annotation(data)),
}
