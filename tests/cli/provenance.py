"""Reads what `sega_cli.generating.picture` writes into pictures."""

import json
from pathlib import Path
from typing import Any

from PIL import Image

from sega_cli.generating.picture import KEYWORD


def read_provenance(path: Path) -> dict[str, Any]:
    """The provenance that `write_picture` left in a PNG.

    Raises:
        ValueError: The file carries none.
    """
    with Image.open(path) as image:
        text = image.info.get(KEYWORD)
    if not isinstance(text, str):
        raise ValueError(
            f"{path} carries no provenance: it was not made by sega-vec, or another program saved it again"
        )
    provenance: dict[str, Any] = json.loads(text)
    return provenance
