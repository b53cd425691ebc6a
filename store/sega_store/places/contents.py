"""The vectors and noises that files hold, checked against the names of the files."""

from functools import partial

from sega_store.errors import InvalidInputError, VectorFileError
from sega_store.files.vector_file import check_noise_size, check_vector_size, read_noise, read_vector
from sega_store.places import layout
from sega_store.places.annotations import check_annotation_size
from sega_store.places.files import Files
from sega_store.records.noise import InitialNoise
from sega_store.records.vector import GuidanceVector

CHECK_SIZE = {
    layout.VECTORS: check_vector_size,
    layout.NOISE: check_noise_size,
    layout.ANNOTATIONS: check_annotation_size,
}
"""What refuses files of wrong sizes before they are read, by kind."""


def check_vector(identity: str, data: bytes) -> GuidanceVector:
    """The vector in a file, which has to be the one that the file is named after."""
    vector = read_vector(data)
    if vector.id != identity:
        raise InvalidInputError(f"its name isn't its hash, {vector.id}")
    return vector


def check_noise(sha256: str, data: bytes) -> InitialNoise:
    """The noise in a file, which has to be the one that the file is named after."""
    noise = read_noise(data)
    if noise.sha256 != sha256:
        raise InvalidInputError(f"its name isn't its hash, {noise.sha256}")
    return noise


def load_vector(files: Files, identity: str) -> GuidanceVector:
    """A library's vector.

    Raises:
        VectorFileError: Its file is damaged.
    """
    return files.load(layout.vector_key(identity), check_vector_size, partial(check_vector, identity))


def load_noise(files: Files, sha256: str) -> InitialNoise | None:
    """A library's noise, if it is there; errors as of `load_vector`."""
    key = layout.noise_key(sha256)
    try:
        return files.load(key, check_noise_size, partial(check_noise, sha256))
    except VectorFileError:
        if files.exists(key):
            raise
        return None
