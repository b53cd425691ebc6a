"""What travels together: a vector, the initial noise that it was recorded from, and what people say of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from sega_store.files.vector_file import write_noise, write_vector
from sega_store.places import layout
from sega_store.places.annotations import load_annotation
from sega_store.places.contents import load_noise, load_vector
from sega_store.places.disk import steadily
from sega_store.places.files import Files
from sega_store.records.annotation import NOTHING_SAID, Annotation
from sega_store.records.noise import InitialNoise
from sega_store.records.vector import GuidanceVector


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
            yield layout.noise_key(self.noise.sha256), write_noise(self.noise)
        yield layout.vector_key(self.vector.id), write_vector(self.vector)
        if self.annotation != NOTHING_SAID:
            yield layout.annotation_key(self.vector.id), self.annotation.to_bytes()


def parcel_of(files: Files, identity: str) -> Parcel:
    """The parcel of a library's vector; errors as of `load_vector`."""
    vector = steadily(lambda: load_vector(files, identity))
    noise = steadily(lambda: load_noise(files, vector.provenance.noise.sha256))
    return Parcel(vector, noise, steadily(lambda: load_annotation(files, identity)))
