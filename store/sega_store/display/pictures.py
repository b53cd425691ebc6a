"""Pictures of vectors: previews, decoded within limits and written anew, and numbers drawn in colours.

A preview comes from a stranger and is never passed on as it is: what is shown is a PNG that this module wrote, of
nothing but pixels.
"""

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sega_store.errors import InvalidInputError

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 1 << 24  # 4096 x 4096
FORMATS = ("PNG", "WEBP", "JPEG")
Array = NDArray[Any]

HEAT = np.array([(13, 8, 60), (110, 20, 110), (205, 60, 70), (250, 150, 40), (252, 250, 190)], np.float32)
SIGNED = np.array([(38, 92, 168), (126, 168, 212), (246, 244, 240), (224, 150, 110), (176, 62, 32)], np.float32)


def decode(encoded: bytes) -> "Image":
    """The picture in a file of PNG, WebP or JPEG, as RGB.

    Raises:
        InvalidInputError: It is no such picture, it is damaged, or it has too many pixels.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow warns of is refused below, or only a matter of metadata
            with Image.open(io.BytesIO(encoded), formats=FORMATS) as opened:
                width, height = opened.size
                if width * height > MAX_PIXELS:
                    raise InvalidInputError(
                        f"A preview may have {MAX_PIXELS} pixels at most, met {width} x {height}. Record it again with"
                        " a smaller picture."
                    )
                return opened.convert("RGB")
    except InvalidInputError:
        raise
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise InvalidInputError(f"The preview is no picture of {', '.join(FORMATS)}, or is damaged: {error}") from error


def reencoded(encoded: bytes, most: int | None = None) -> bytes:
    """A picture, given as to `decode`, as PNG without metadata; made smaller if a side has more than `most` pixels."""
    image = decode(encoded)
    if most is not None:
        image.thumbnail((most, most))
    return _png(image)


def drawn(levels: Array, colours: Array = HEAT) -> bytes:
    """Numbers in [0, 1], shape (H, W), as a PNG of one pixel each, from the first colour to the last."""
    stops = np.linspace(0, 1, len(colours))
    channels = [np.rint(np.interp(levels, stops, colour)).astype(np.uint8) for colour in colours.T]
    return as_png(np.stack(channels, axis=-1))


def as_png(pixels: Array) -> bytes:
    """Pixels, uint8 of shape (H, W, 3), as PNG."""
    from PIL import Image

    return _png(Image.fromarray(pixels))


def relative(values: Array) -> Array:
    """Numbers of at least 0 as shares of the largest; all 0 if the largest is 0."""
    top = float(values.max(initial=0))
    shares: Array = values / top if top > 0 else np.zeros_like(values)
    return shares


def _png(image: "Image") -> bytes:
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()
