"""A sweep's one step: record a prompt's concepts at one seed, and keep them as soon as they are done."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sega_cli.generation import first_picture, generator
from sega_cli.picture import recorded_facts, vector_facts, write_picture

if TYPE_CHECKING:
    from PIL.Image import Image

    from sega_store import GuidanceVector, Library, Preview
    from sega_vectors import Recorder

_PREVIEW_EDGE = 512  # pixels: enough to judge an edit by, and small beside the vector


@dataclass(frozen=True)
class Recorded:
    """What the library now holds of one seed.

    Attributes:
        status: `recorded`, or `held already` if nothing was run.
        ids: The vector of each concept.
        vectors: What was recorded; () if nothing was run.
        before: The picture of the plain run, if it was made.
        after: The picture of the recorded run, if it was made.
        denoiser_rows: The price of the recording.
    """

    status: str
    ids: Sequence[str]
    vectors: "Sequence[GuidanceVector]" = ()
    before: "Image | None" = None
    after: "Image | None" = None
    denoiser_rows: int = 0

    def write_pictures(self, folder: Path) -> list[Path]:
        """Write the pictures that were made as PNG with their provenance."""
        vectors = [vector_facts(vector, {}) for vector in self.vectors]
        return [
            write_picture(folder, image, recorded_facts("record", self.vectors[0].provenance, shown))
            for image, shown in ((self.before, []), (self.after, vectors))
            if image is not None
        ]


def record_seed(
    recorder: "Recorder",
    library: "Library",
    prompt: str,
    arguments: Mapping[str, Any],
    seed: int,
    *,
    before: bool,
    preview: bool,
) -> Recorded:
    """Record, unless the library holds what would come of it.

    Args:
        recorder: With the pipeline and the concepts.
        library: Where the vectors and their noise go.
        prompt: The prompt.
        arguments: Further arguments of the pipeline's call.
        seed: The seed of the initial noise.
        before: Whether to make the plain run's picture too.
        preview: Whether to keep both pictures with the vectors.
    """
    from sega_vectors import DenoiserRows

    recipes = recorder.recipes(prompt, generator=generator(seed), **arguments)
    held = [library.by_recipe(recipe) for recipe in recipes]
    if all(held):
        return Recorded("held already", [ids[0] for ids in held])
    with DenoiserRows(recorder.pipe) as price:
        after = first_picture(recorder.pipe, recorder(prompt, generator=generator(seed), **arguments))
    plain = after if not recorder.guide else None
    if before and plain is None:
        plain = first_picture(recorder.pipe, recorder.pipe(prompt, generator=generator(seed), **arguments))
    kept = _preview(plain, after) if preview and plain is not None else None
    vectors = [replace(vector, preview=kept) for vector in recorder.vectors]
    ids = [library.add(vector, noise) for vector, noise in zip(vectors, recorder.noises, strict=True)]
    return Recorded("recorded", ids, vectors, plain, after, price.rows)


def _preview(before: "Image", after: "Image") -> "Preview":
    from sega_store import Preview

    return Preview(_encode(before), _encode(after), "image/webp")


def _encode(image: "Image") -> bytes:
    small = image.convert("RGB")
    small.thumbnail((_PREVIEW_EDGE, _PREVIEW_EDGE))
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=90, method=6)
    return buffer.getvalue()
