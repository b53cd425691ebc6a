"""The media: five image filters over one and the same render.

Every figure exists in every medium with the same geometry, as a photograph and a drawing of one person would, and the
figure is darker than its ground in all of them. A filter takes the figure's colours and coverage at twice the final
size and gives a picture of 64x64.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]

SIZE = 64
BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (252, 252, 250),
    "yellow": (255, 234, 140),
    "pink": (255, 196, 212),
    "blue": (176, 214, 255),
    "green": (188, 238, 184),
}


def _blur(image: Array, sigma: float) -> Array:
    """Gaussian blur of an (H, W) or (H, W, C) picture over its two spatial axes."""
    sigmas = (sigma, sigma) + (0.0,) * (image.ndim - 2)
    result: Array = ndimage.gaussian_filter(image, sigmas, mode="nearest")
    return result


def _halve(image: Array) -> Array:
    """Box-downsample by two: (2h, 2w, C) to (h, w, C)."""
    h, w, c = image.shape
    result: Array = image.reshape(h // 2, 2, w // 2, 2, c).mean((1, 3), dtype=np.float32)
    return result


def _grey(image: Array) -> Array:
    """Luminance, shape (H, W, 1)."""
    result: Array = (image @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    return result


def _edges(image: Array, sigma: float) -> Array:
    """Strength of the luminance edges, 0 to 1, shape (H, W, 1)."""
    grey = _grey(image)[..., 0]
    strength: Array = np.clip(ndimage.gaussian_gradient_magnitude(grey, sigma) * 5.0, 0, 1)[..., None]
    return strength


def cartoon(colour: Array, alpha: Array, ground: Array, rng: np.random.Generator) -> Array:
    """Flat colours and ink outlines: the render itself."""
    return _halve(colour * alpha + ground * (1 - alpha))


def pencil(colour: Array, alpha: Array, ground: Array, rng: np.random.Generator) -> Array:
    """Coloured pencil: pale, half-saturated fills under diagonal hatching, dark contours, grainy paper."""
    soft = _blur(colour, 0.7)
    grey = _grey(soft)
    fill = 0.38 + 0.62 * (0.5 * soft + 0.5 * grey)
    y, x = np.mgrid[: colour.shape[0], : colour.shape[1]]
    stripes = (0.5 + 0.5 * np.sin((x + y + rng.uniform(0, 8)) * (2 * np.pi / 7.0))).astype(np.float32)[..., None]
    fill = fill - 0.30 * (1 - grey) * stripes - 0.06 * stripes
    paper = (0.55 * ground + 0.45) - 0.02
    image = fill * alpha + paper * (1 - alpha)
    flat = colour * alpha + ground * (1 - alpha)
    image = image * (1 - 0.75 * _edges(flat, 1.0))
    grain = rng.normal(0, 0.035, (*image.shape[:2], 1)).astype(np.float32)
    return _halve(image + grain)


def photograph(colour: Array, alpha: Array, ground: Array, rng: np.random.Generator) -> Array:
    """Soft focus, light from the upper left on a rounded figure, muted colours, vignette and grain."""
    height = _blur(alpha[..., 0], 6.0)
    dy, dx = np.gradient(height)
    light = (0.98 - 9.0 * (0.8 * (-dx) + 0.6 * (-dy))).clip(0.55, 1.35)[..., None].astype(np.float32)
    muted = 0.62 * colour + 0.38 * _grey(colour)
    n = colour.shape[0]
    y, x = np.mgrid[:n, :n].astype(np.float32)
    fall = 1.0 - 0.22 * (((x - n / 2) ** 2 + (y - n / 2) ** 2) / (n * n / 2))[..., None]
    back = (0.8 * ground + 0.2 * _grey(ground)) * (0.97 - 0.16 * (y / n)[..., None])
    shadow = 1 - 0.22 * _blur(np.roll(alpha, (6, 6), (0, 1)), 5.0) * (1 - alpha)
    image = _blur(muted * 0.92 * light * alpha + back * shadow * (1 - alpha), 1.5) * fall
    grain = rng.normal(0, 0.045, (*image.shape[:2], 1)).astype(np.float32)
    return _halve(image + grain)


def pixel_art(colour: Array, alpha: Array, ground: Array, rng: np.random.Generator) -> Array:
    """Blocks of 2x2 in few colours."""
    small = _halve(_halve(colour * alpha + ground * (1 - alpha)))
    small = np.clip((small - 0.5) * 1.25 + 0.5, 0, 1)
    small = np.round(small * 4) / 4
    result: Array = small.repeat(2, 0).repeat(2, 1).astype(np.float32)
    return result


def watercolour(colour: Array, alpha: Array, ground: Array, rng: np.random.Generator) -> Array:
    """Bleeding washes without ink: wobbly contours, blotchy pigment, darker wet edges, paper showing at the border."""
    n = colour.shape[0]
    y, x = np.mgrid[:n, :n].astype(np.float32)
    wobble = [_blur(rng.normal(0, 1, (n, n)).astype(np.float32), 3.0) * 15.0 for _ in range(2)]
    # Ink is opened away: dark thin lines give way to their lighter surroundings.
    clean = ndimage.grey_dilation(colour, (3, 3, 1)) * 0.45 + colour * 0.55
    layers = np.concatenate([clean, alpha], -1)
    moved = np.stack(
        [
            ndimage.map_coordinates(layers[..., c], [y + wobble[0], x + wobble[1]], order=1, mode="nearest")
            for c in range(4)
        ],
        -1,
    ).astype(np.float32)
    wash, cover = _blur(moved[..., :3], 1.0), _blur(moved[..., 3:], 1.0)
    blotch = _blur(rng.normal(0, 1, (n, n, 1)).astype(np.float32), 7.0) * 2.6
    wash = 0.18 + 0.84 * wash + blotch * 0.6
    wet = np.clip(4 * cover * (1 - cover), 0, 1) * 0.22
    border = np.minimum.reduce([x, y, n - 1 - x, n - 1 - y])[..., None] / n
    paper = np.clip(border * 9 + blotch * 6, 0, 1)
    back = 1.0 - (1.0 - ground) * (0.45 + 0.55 * paper) * (0.95 + blotch)
    image = wash * cover + back * (1 - cover)
    return _halve((image * (1 - wet)).astype(np.float32))


MEDIA: dict[str, Callable[[Array, Array, Array, np.random.Generator], Array]] = {
    "cartoon": cartoon,
    "pencil drawing": pencil,
    "photograph": photograph,
    "pixel art": pixel_art,
    "watercolour": watercolour,
}


def paint(rgba: NDArray[np.uint8], medium: str, background: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One picture of a figure.

    Args:
        rgba: The render, premultiplied, shape (128, 128, 4).
        medium: A key of `MEDIA`.
        background: A key of `BACKGROUNDS`.
        rng: Gives grain, paper and brush.

    Returns:
        Shape (64, 64, 3), uint8.
    """
    alpha: Array = (rgba[..., 3:].astype(np.float32) / 255).astype(np.float32)
    colour: Array = (rgba[..., :3].astype(np.float32) / 255 / np.maximum(alpha, 1e-3)).astype(np.float32)
    # Where nothing was drawn there is no colour: let it spread from the figure, for the filters that blur.
    weight = _blur(alpha, 2.0)
    spread = _blur(colour * alpha, 2.0) / np.maximum(weight, 1e-3)
    colour = np.where(alpha > 0.02, colour, np.where(weight > 1e-3, spread, 0.5)).clip(0, 1).astype(np.float32)
    ground = np.broadcast_to(np.array(BACKGROUNDS[background], np.float32) / 255, colour.shape).astype(np.float32)
    image = MEDIA[medium](colour, alpha, ground, rng)
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
