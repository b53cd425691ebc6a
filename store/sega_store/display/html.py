"""Pieces of HTML for notebooks: pictures as data URIs, and every text escaped.

A notebook that is opened elsewhere shows the same, since nothing outside it is referred to.
"""

from base64 import b64encode
from html import escape

SIDE = 160  # pixels
_MAX_TEXT = 200


def image(picture: bytes, caption: str, side: int) -> str:
    """A picture in PNG as a data URI."""
    data = b64encode(picture).decode()
    return (
        f'<img src="data:image/png;base64,{data}" alt="{caption}" width="{side}" height="{side}"'
        ' style="object-fit: contain; image-rendering: pixelated">'
    )


def text(value: str) -> str:
    """A text, escaped and cut to a bearable length."""
    return escape(value if len(value) <= _MAX_TEXT else f"{value[:_MAX_TEXT]}…")
