"""The preview of a vector: the same run without and with it, as encoded pictures."""

from dataclasses import dataclass

from sega_store.errors import InvalidInputError

MEDIA_TYPES = ("image/png", "image/webp", "image/jpeg")


@dataclass(frozen=True)
class Preview:
    """Two encoded pictures.

    Attributes:
        before: The picture of the plain run.
        after: The picture of the run that the vector guides.
        media_type: The media type of both: `image/png`, `image/webp` or `image/jpeg`.
    """

    before: bytes
    after: bytes
    media_type: str

    def __post_init__(self) -> None:
        check_media_type(self.media_type)
        if not self.before or not self.after:
            raise InvalidInputError("A preview needs both pictures, before and after; met an empty one.")


def check_media_type(media_type: str) -> None:
    """Refuses what isn't a picture that every browser shows."""
    if media_type not in MEDIA_TYPES:
        raise InvalidInputError(f"media_type must be one of {', '.join(MEDIA_TYPES)}, met {media_type!r}.")
