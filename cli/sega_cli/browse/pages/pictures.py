"""The pictures of a vector, each a PNG that was made here: previews, encoded again, and drawings of where it acts.

| name                           | picture                                                                    |
|--------------------------------|----------------------------------------------------------------------------|
| `before`, `after`              | the preview                                                                |
| `before-small`, `after-small`  | the same for a tile; without a preview, where it acts                      |
| `acts`                         | where it acts, over all steps and channels                                 |
| `steps`                        | the same for each step, in rows of `columns(T)`, on one scale              |
| `channel-N`                    | the same for one of the first 16 channels, on one scale with the others    |
| `minus-ID`                     | where it acts more (red) and less (blue) than another of the same shape     |
"""

import math
import re

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sega_cli.browse.site import Site, SiteOf
from sega_store import GuidanceVector, IncompatibleError, InitialNoise, InvalidInputError, RefError, SegaError
from sega_store.display.pictures import SIGNED, as_png, drawn, reencoded, relative
from sega_store.records.activity import MOST_SIDE, activity
from sega_store.records.dtypes import widen

TILE = 320  # pixels
LARGE = 1024
_ID = r"[0-9a-f]{64}\.[0-9a-f]{64}"
_CHANNEL = re.compile(r"channel-([0-9]{1,4})")
_MINUS = re.compile(f"minus-({_ID})")
BLANK = as_png(np.full((1, 1, 3), 128, np.uint8))

router = APIRouter()


@router.get("/pictures/{identity}/{name}.png")
def picture(site: SiteOf, identity: str, name: str) -> Response:
    """A picture of a vector; a blank one if the file is damaged."""
    try:
        return _png(draw(site, identity, name))
    except SegaError as error:
        return Response(BLANK, 404 if isinstance(error, RefError) else 422, media_type="image/png")


@router.get("/noises/{sha256}/picture.png")
def noise_picture(site: SiteOf, sha256: str) -> Response:
    """The picture of an initial noise."""
    return _png(draw_noise(site.library.noise(sha256)))


def draw(site: Site, identity: str, name: str) -> bytes:
    """A picture of a vector as PNG, by its name.

    Raises:
        HTTPException: There is no such picture.
        InvalidInputError: The preview is no picture.
    """
    vector = site.library[identity]
    if name in ("before", "after"):
        if vector.preview is None:
            raise HTTPException(404)
        return reencoded(getattr(vector.preview, name), LARGE)
    if name in ("before-small", "after-small"):
        return _tile(vector, name.removesuffix("-small"))
    if name == "acts":
        return _acts(vector)
    if name == "steps":
        return drawn(relative(tiled(activity(vector, "step"))))
    if channel := _CHANNEL.fullmatch(name):
        planes = activity(vector, "channel")
        if int(channel[1]) < len(planes):
            return drawn(relative(planes)[int(channel[1])])
    if other := _MINUS.fullmatch(name):
        return difference(vector, site.library[other[1]])
    raise HTTPException(404)


def difference(vector: GuidanceVector, other: GuidanceVector) -> bytes:
    """Where a vector acts more and less than another, on a scale of the larger of both."""
    if vector.shape[1:] != other.shape[1:]:
        raise IncompatibleError(f"Vectors of the shapes {vector.shape} and {other.shape} have no places in common.")
    here, there = (activity(v) for v in (vector, other))
    top = max(here.max(), there.max()) or 1.0
    return drawn((here - there) / top / 2 + 0.5, SIGNED)


def draw_noise(noise: InitialNoise) -> bytes:
    """The first three channels of a noise as red, green and blue; two standard deviations give the full colour.

    Of a side of more than 1,024 places each second, third, … is drawn.
    """
    held = noise.array.reshape((noise.shape[0], -1, noise.shape[-1]))
    stride = -(-max(held.shape[1:]) // MOST_SIDE)
    values = widen(held[:3, ::stride, ::stride], noise.dtype)
    planes = np.stack([values[min(i, len(values) - 1)] for i in range(3)], axis=-1)
    return as_png(np.rint(np.clip(planes / 4 + 0.5, 0, 1) * 255).astype(np.uint8))


def columns(steps: int) -> int:
    """How many steps are side by side in the picture `steps`."""
    return math.isqrt(steps - 1) + 1


def tiled(planes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Planes of shape (T, H, W) side by side, in rows of `columns(T)`."""
    steps, height, width = planes.shape
    across = columns(steps)
    down = -(-steps // across)
    filled = np.concatenate([planes, np.zeros((across * down - steps, height, width))])
    return filled.reshape((down, across, height, width)).swapaxes(1, 2).reshape((down * height, across * width))


def _tile(vector: GuidanceVector, side: str) -> bytes:
    try:
        if vector.preview is not None:
            return reencoded(getattr(vector.preview, side), TILE)
    except InvalidInputError:  # a stranger's preview needn't be a picture
        pass
    return _acts(vector)


def _acts(vector: GuidanceVector) -> bytes:
    return drawn(relative(activity(vector)))


def _png(data: bytes) -> Response:
    return Response(data, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})
