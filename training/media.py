"""The media: eight image filters over one and the same render.

Every figure exists in every medium with the same geometry, as a photograph and a drawing of one person would, and the
figure is darker than its ground in all of them. A filter takes the figure's colours and coverage and gives a picture
of 128x128.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]

SIZE = 128
HATCH = 4.0  # pixels between strokes: divides a latent cell, so that every cell has the same phase
BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (252, 252, 250),
    "yellow": (255, 234, 140),
    "pink": (255, 196, 212),
    "blue": (176, 214, 255),
    "green": (188, 238, 184),
}
_Y, _X = np.mgrid[:SIZE, :SIZE].astype(np.float32)


def _blur(image: Array, sigma: float | tuple[float, float]) -> Array:
    """Gaussian blur of an (H, W) or (H, W, C) picture over its two spatial axes."""
    across = (sigma, sigma) if isinstance(sigma, float) else sigma
    result: Array = ndimage.gaussian_filter(image, across + (0.0,) * (image.ndim - 2), mode="nearest", truncate=3.0)
    return result


def _grey(image: Array) -> Array:
    """Luminance, shape (H, W, 1)."""
    result: Array = (image @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    return result


def _edges(image: Array, sigma: float) -> Array:
    """Strength of the luminance edges, 0 to 1, shape (H, W, 1)."""
    strength = ndimage.gaussian_gradient_magnitude(_grey(image)[..., 0], sigma) * 5.0
    result: Array = np.clip(strength, 0, 1)[..., None]
    return result


def _moved(image: Array, down: int, right: int) -> Array:
    """The picture moved by so many pixels; its border is repeated."""
    rows, columns = (np.clip(np.arange(SIZE) - by, 0, SIZE - 1) for by in (down, right))
    return image[rows][:, columns]


def _noise(rng: np.random.Generator, sigma: float | tuple[float, float], deviation: float) -> Array:
    """A smooth random field of zero mean, shape (H, W, 1)."""
    field = _blur(rng.standard_normal((SIZE, SIZE), np.float32), sigma)
    result: Array = (field * (deviation / field.std()))[..., None]
    return result


def _stripes(direction: Array) -> Array:
    """Parallel strokes across a coordinate, 0 to 1, shape (H, W, 1)."""
    result: Array = (0.5 + 0.5 * np.sin(direction * (2 * np.pi / HATCH)))[..., None]
    return result


def cartoon(colour: Array, alpha: Array, ground: Array, rng: np.random.Generator) -> Array:
    """Flat colours and ink outlines: the render itself."""
    return colour * alpha + ground * (1 - alpha)


def pencil(colour: Array, alpha: Array, ground: Array, rng: np.random.Generator) -> Array:
    """Coloured pencil: pale, half-saturated fills under diagonal hatching, dark contours, grainy paper."""
    soft = _blur(colour, 0.6)
    grey = _grey(soft)
    fill = 0.42 + 0.58 * (0.7 * soft + 0.3 * grey)
    stripes = _stripes(_X + _Y)
    ink = np.clip(1 - grey * 3.2, 0, 1)  # lines stay dark: they are drawn, not hatched
    fill = (fill - (0.26 * (1 - grey) + 0.05) * stripes) * (1 - 0.6 * ink)
    paper = 0.55 * ground + 0.43
    image = fill * alpha + paper * (1 - alpha)
    image = image * (1 - 0.30 * _edges(cartoon(colour, alpha, ground, rng), 0.7))
    return image + _noise(rng, 0.5, 0.008)


def ink(colour: Array, alpha: Array, ground: Array, rng: np.random.Generator) -> Array:
    """Pen and wash: black contours over a thin tint that misses the lines a little, upright strokes in the shade."""
    wash = _blur(_moved(colour, -1, 2), 1.2)
    grey = _grey(colour)
    dark = np.clip(1.25 - grey * 4.5, 0, 1)
    lines = np.maximum(dark, 0.75 * _edges(alpha.repeat(3, 2), 0.7) + 0.45 * _edges(colour, 0.7))
    rounded = _blur(alpha[..., 0], 5.0)
    shade = np.clip(9.0 * np.gradient(rounded, axis=1) * -1.0 - 0.12, 0, 1)[..., None] * alpha
    tint = 1 - 0.62 * (1 - wash)
    paper = 0.35 * ground + 0.64
    image = (tint * alpha + paper * (1 - alpha)) * (1 - np.clip(2.5 * shade, 0, 0.6) * _stripes(_X))
    return image * (1 - 0.92 * np.clip(lines, 0, 1) * alpha)


def _photographed(colour: Array, alpha: Array, back: Array, light: tuple[float, float]) -> Array:
    """A rounded figure in soft focus, lit from (x, y), before its shadow on `back`."""
    dy, dx = np.gradient(_blur(alpha[..., 0], 6.0))
    shading = (0.98 - 9.0 * (light[0] * dx + light[1] * dy)).clip(0.5, 1.4)[..., None]
    shadow = 1 - 0.22 * _blur(_moved(alpha, 6, 6), 5.0) * (1 - alpha)
    return _blur((colour * shading * alpha + back * shadow * (1 - alpha)).astype(np.float32), 0.8)


def _vignette(strength: float) -> Array:
    n = SIZE
    result: Array = 1.0 - strength * (((_X - n / 2) ** 2 + (_Y - n / 2) ** 2) / (n * n / 2))[..., None]
    return result


def photograph(colour: Array, alpha: Array, ground: Array, rng: np.random.Generator) -> Array:
    """Soft focus, light from the upper left on a rounded figure, muted colours, vignette and grain."""
    muted = 0.92 * (0.65 * colour + 0.35 * _grey(colour))
    back = (0.8 * ground + 0.2 * _grey(ground)) * (0.97 - 0.16 * (_Y / SIZE)[..., None])
    return _photographed(muted, alpha, back, (-0.8, -0.6)) * _vignette(0.22) + _noise(rng, 0.5, 0.008)


def night_photograph(colour: Array, alpha: Array, ground: Array, rng: np.random.Generator) -> Array:
    """Taken at night: everything dark and bluish before the lamps of a street, warm light from the right."""
    back = 0.62 * ground * ground * np.array([0.75, 0.8, 1.0], np.float32) * (1.05 - 0.5 * (_Y / SIZE)[..., None])
    for _ in range(7):  # lamps out of focus
        x, y, radius = rng.uniform(0, SIZE), rng.uniform(0, SIZE), rng.uniform(4, 9)
        disc = np.clip(radius - np.hypot(_X - x, _Y - y), 0, 1)[..., None]
        back = back + 0.22 * disc * np.array([1.0, 0.85, 0.5], np.float32)
    lit = 0.58 * colour * np.array([0.9, 0.88, 1.0], np.float32)
    lit = lit * (0.75 + 0.5 * _blur(_moved(alpha, 0, 10), 8.0))
    image = _photographed(lit.astype(np.float32), alpha, back.astype(np.float32), (0.9, -0.4))
    return image * _vignette(0.35) + _noise(rng, 0.5, 0.008)


def pixel_art(colour: Array, alpha: Array, ground: Array, rng: np.random.Generator) -> Array:
    """Blocks of 2x2 in few colours."""
    image = cartoon(colour, alpha, ground, rng)
    small = image.reshape(SIZE // 2, 2, SIZE // 2, 2, 3).mean((1, 3))
    small = np.clip((small - 0.5) * 1.25 + 0.5, 0, 1)
    result: Array = (np.round(small * 5) / 5).repeat(2, 0).repeat(2, 1).astype(np.float32)
    return result


def watercolour(colour: Array, alpha: Array, ground: Array, rng: np.random.Generator) -> Array:
    """Bleeding washes without ink: wobbly contours, blotchy pigment, darker wet edges, paper showing at the border."""
    # Ink is opened away: dark thin lines give way to their lighter surroundings.
    clean = ndimage.grey_dilation(colour, (3, 3, 1)) * 0.45 + colour * 0.55
    places = [_Y + _noise(rng, 3.0, 0.9)[..., 0], _X + _noise(rng, 3.0, 0.9)[..., 0]]
    layers = np.concatenate([clean, alpha], -1)
    moved = [ndimage.map_coordinates(layers[..., c], places, order=1, mode="nearest") for c in range(4)]
    wash, cover = _blur(np.stack(moved[:3], -1), 0.6), _blur(moved[3][..., None], 0.6)
    blotch = _noise(rng, 7.0, 0.1)
    wash = 0.18 + 0.84 * wash + blotch * 0.6
    wet = np.clip(4 * cover * (1 - cover), 0, 1) * 0.22
    border = np.minimum.reduce([_X, _Y, SIZE - 1 - _X, SIZE - 1 - _Y])[..., None] / SIZE
    paper = np.clip(border * 9 + blotch * 6, 0, 1)
    back = 1.0 - (1.0 - ground) * (0.45 + 0.55 * paper) * (0.95 + blotch)
    return (wash * cover + back * (1 - cover)) * (1 - wet)


def oil(colour: Array, alpha: Array, ground: Array, rng: np.random.Generator) -> Array:
    """Oil on canvas: patches of paint (Kuwahara's filter), warm and rich, slanting brush strokes in relief."""
    image = cartoon(colour, alpha, ground, rng) + _noise(rng, (1.5, 4.0), 0.02)
    mean = ndimage.uniform_filter(image, (3, 3, 1), mode="nearest")
    spread = (ndimage.uniform_filter(image * image, (3, 3, 1), mode="nearest") - mean * mean).sum(-1)
    corners = [(dy, dx) for dy in (-1, 1) for dx in (-1, 1)]
    calmest = np.stack([_moved(spread, *corner) for corner in corners]).argmin(0)
    patches = np.stack([_moved(mean, *corner) for corner in corners])
    painted = np.take_along_axis(patches, calmest[None, ..., None], 0)[0]
    rich = _grey(painted) + 1.3 * (painted - _grey(painted))
    return rich * np.array([0.93, 0.9, 0.84], np.float32) + _noise(rng, (1.5, 5.0), 0.035)


MEDIA: dict[str, Callable[[Array, Array, Array, np.random.Generator], Array]] = {
    "cartoon": cartoon,
    "pencil drawing": pencil,
    "ink drawing": ink,
    "photograph": photograph,
    "night photograph": night_photograph,
    "pixel art": pixel_art,
    "watercolour": watercolour,
    "oil painting": oil,
}


def paint(rgba: NDArray[np.uint8], medium: str, background: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One picture of a figure.

    Args:
        rgba: The render, premultiplied, shape (128, 128, 4).
        medium: A key of `MEDIA`.
        background: A key of `BACKGROUNDS`.
        rng: Gives grain, paper and brush.

    Returns:
        Shape (128, 128, 3), uint8.
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
