"""Pictures: what is let through, and what numbers look like."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from sega_store import InvalidInputError
from sega_store.display.pictures import HEAT, MAX_PIXELS, SIGNED, decode, drawn, reencoded, relative


def encoded(format: str, mode: str = "RGB", size: tuple[int, int] = (6, 4), **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "given", [encoded("PNG"), encoded("JPEG"), encoded("WEBP"), encoded("PNG", "L"), encoded("PNG", "RGBA")]
)
def test_every_format_of_a_preview_is_shown(given: bytes) -> None:
    shown = reencoded(given)
    assert shown.startswith(b"\x89PNG")
    assert np.array_equal(np.asarray(decode(shown)), np.asarray(decode(given)))


def test_nothing_but_pixels_is_passed_on() -> None:
    said = PngImagePlugin.PngInfo()
    said.add_text("Comment", "<script>alert(1)</script>")
    exif = Image.Exif()
    exif[0x010E] = "<script>alert(2)</script>"
    for given in (encoded("PNG", pnginfo=said) + b"<script>", encoded("JPEG", exif=exif, comment=b"<script>")):
        assert b"script" in given
        assert b"script" not in reencoded(given)


def bomb(width: int, height: int) -> bytes:
    """A PNG that says that it has so many pixels."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    data = b"IDAT" + zlib.compress(b"\0" * 1000)
    return header + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"<svg onload='alert(1)'/>",
        b"\x89PNG before",
        encoded("GIF"),
        encoded("TIFF"),
        encoded("PNG")[:60],
        bomb(60_000, 60_000),
        bomb(100, 100),
    ],
)
def test_what_is_no_small_picture_is_refused(given: bytes) -> None:
    with pytest.raises(InvalidInputError, match="no picture"):
        decode(given)


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    with pytest.raises(InvalidInputError, match="pixels at most, met 16777 x 1001"):
        decode(bomb(16_777, 1001))
    assert 16_777 * 1001 > MAX_PIXELS > 16_777 * 1000


def test_a_large_picture_is_made_smaller() -> None:
    assert decode(reencoded(encoded("PNG", size=(90, 60)), 30)).size == (30, 20)
    assert decode(reencoded(encoded("PNG", size=(9, 6)), 30)).size == (9, 6)


@pytest.mark.parametrize("colours", [HEAT, SIGNED])
def test_levels_run_from_the_first_colour_to_the_last(colours: np.ndarray) -> None:
    drawing = np.asarray(decode(drawn(np.array([[-1, 0, 0.5, 1, 2]]), colours)))
    assert drawing[0].tolist() == colours[[0, 0, 2, 4, 4]].tolist()


def test_levels_are_relative_to_the_largest() -> None:
    assert relative(np.array([0.0, 2, 4])).tolist() == [0, 0.5, 1]
    assert relative(np.zeros(3)).tolist() == [0, 0, 0]
