"""What travels together: a vector, the initial noise that it was recorded from, and what people say of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sega_store.errors import InvalidInputError, VectorFileError
from sega_store.files.vector_file import read_noise, read_vector, write_noise, write_vector
from sega_store.places import layout
from sega_store.places.annotations import load_annotation, read_annotation
from sega_store.places.contents import load_noise, load_vector
from sega_store.places.disk import steadily
from sega_store.places.files import Files
from sega_store.records.annotation import NOTHING_SAID, Annotation, parse_annotation
from sega_store.records.noise import InitialNoise
from sega_store.records.vector import GuidanceVector

_HERE = Path()
_T = TypeVar("_T")


@dataclass(frozen=True)
class Parcel:
    """One vector with all that belongs to it.

    Attributes:
        vector: The vector.
        noise: Its initial noise, unless the library was never given it.
        annotation: What is said of it.
    """

    vector: GuidanceVector
    noise: InitialNoise | None = None
    annotation: Annotation = NOTHING_SAID

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Its files under the names that they have in a library, the noise first, for vectors need it."""
        if self.noise is not None:
            yield layout.noise_path(_HERE, self.noise.sha256).as_posix(), write_noise(self.noise)
        yield layout.vector_path(_HERE, self.vector.id).as_posix(), write_vector(self.vector)
        if self.annotation != NOTHING_SAID:
            yield layout.annotation_path(_HERE, self.vector.id).as_posix(), self.annotation.to_bytes()


def parcel_of(files: Files, identity: str) -> Parcel:
    """The parcel of a library's vector; errors as of `load_vector`."""
    vector = steadily(lambda: load_vector(files, identity))
    noise = steadily(lambda: load_noise(files, vector.provenance.noise.sha256))
    return Parcel(vector, noise, steadily(lambda: load_annotation(files, identity)))


def parcels_in(where: Path, files: Mapping[str, bytes] | Mapping[str, Path]) -> Iterator[Parcel]:
    """The parcels among files that are laid out as in a library, and that nobody trusts.

    Args:
        where: What holds the files, for messages.
        files: Their bytes or paths, by their names in a library.

    Raises:
        VectorFileError: A file is damaged, hostile, or isn't what its name says.
    """
    noise: InitialNoise | None = None
    for name in sorted(name for name in files if layout.kind_of(name) == layout.VECTORS):
        vector = _read(where, name, files, read_vector)
        _check_name(where, name, layout.vector_path(_HERE, vector.id))
        sha256 = vector.provenance.noise.sha256
        noise_name = layout.noise_path(_HERE, sha256).as_posix()
        if noise_name not in files:
            noise = None
        elif noise is None or noise.sha256 != sha256:  # vectors that share a noise often follow each other
            noise = _read(where, noise_name, files, read_noise)
            _check_name(where, noise_name, layout.noise_path(_HERE, noise.sha256))
        said = layout.annotation_path(_HERE, vector.id).as_posix()
        annotation = _read(where, said, files, _annotation) if said in files else NOTHING_SAID
        yield Parcel(vector, noise, annotation)


def _read(
    where: Path, name: str, files: Mapping[str, bytes] | Mapping[str, Path], read: Callable[[bytes | Path], _T]
) -> _T:
    """Reads a file; what is wrong with it is said under its name."""
    try:
        return read(files[name])
    except VectorFileError as error:
        raise VectorFileError(f"{where}/{name}", error.problem) from None
    except InvalidInputError as error:
        raise VectorFileError(f"{where}/{name}", str(error)) from None


def _annotation(source: bytes | Path) -> Annotation:
    return parse_annotation(source) if isinstance(source, bytes) else read_annotation(source)


def _check_name(where: Path, name: str, due: Path) -> None:
    if name != due.as_posix():
        raise VectorFileError(f"{where}/{name}", f"its name isn't its hash, it should be {due.as_posix()}")
