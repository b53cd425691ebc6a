"""One recording: record a prompt's concepts at one noise, and keep them as soon as they are done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sega_cli.generating.picture import encode_webp, recorded_facts, vector_facts
from sega_cli.generating.setup import Start, first_picture, unwarned

if TYPE_CHECKING:
    from PIL.Image import Image

    from sega_store import GuidanceVector, Library
    from sega_vectors import Recorder


@dataclass(frozen=True)
class Recorded:
    """What the library now holds of one noise.

    Attributes:
        status: `recorded`, or `held already` if nothing was run.
        ids: The id of each concept's vector.
        vectors: The recorded vectors; () if nothing was run.
        before: The picture of the plain run, if it was made.
        after: The picture of the recorded run, if it was made.
        denoiser_rows: The price of the recording: how many rows the denoiser computed.
        notes: What a user should know of the run.
    """

    status: str
    ids: Sequence[str]
    vectors: "Sequence[GuidanceVector]" = ()
    before: "Image | None" = None
    after: "Image | None" = None
    denoiser_rows: int = 0
    notes: Sequence[str] = ()

    def pictures(self) -> "list[tuple[Image, dict[str, Any]]]":
        """The pictures that were made, the plain one first, with their provenance."""
        vectors = [vector_facts(vector, {}) for vector in self.vectors]
        return [
            (image, recorded_facts("record", self.vectors[0].provenance, shown))
            for image, shown in ((self.before, []), (self.after, vectors))
            if image is not None
        ]


def record_from(
    recorder: "Recorder",
    library: "Library",
    prompt: str,
    arguments: Mapping[str, Any],
    start: Start,
    *,
    before: bool,
    preview: bool,
) -> Recorded:
    """Record, unless the library already holds the resulting vectors.

    Args:
        recorder: The recorder, with its pipeline and concepts.
        library: Where the vectors and their noise go.
        arguments: Further arguments of the pipeline's call.
        before: Whether to make the plain run's picture too.
        preview: Whether to keep both pictures with the vectors.

    Raises:
        IncompatibleError: The run did not start from the noise that `start` names; nothing is kept.
    """
    from sega_store import IncompatibleError, Preview
    from sega_vectors import DenoiserRows
    from sega_vectors.pipeline.notes import result_notes

    pipe = recorder.pipe
    recipes = recorder.recipes(prompt=prompt, **start.arguments(pipe), **arguments)
    held = [library.by_recipe(recipe) for recipe in recipes]
    if all(held):
        return Recorded("held already", [ids[0] for ids in held])
    with DenoiserRows(pipe) as price, unwarned():
        after = first_picture(pipe, recorder(prompt=prompt, **start.arguments(pipe), **arguments))
    notes = list(recorder.notes)
    if start.noise is not None and recorder.noises[0] != start.noise:
        raise IncompatibleError(
            f"a recording must start from the stored noise {start.noise.sha256[:12]} of shape {start.noise.shape}, this"
            f" one started from {recorder.noises[0].sha256[:12]} of shape {recorder.noises[0].shape}: use the model and"
            " the size that the noise is from, or a seed"
        )
    plain = after if not recorder.guide else None
    if before and plain is None:
        result = pipe(prompt=prompt, **start.arguments(pipe), **arguments)
        notes += [f"without the concepts, {note}" for note in result_notes(result)]
        plain = first_picture(pipe, result)
    kept = None
    if preview and plain is not None:
        shown_before, shown_after = (encode_webp(image, quality=90, method=6) for image in (plain, after))
        kept = Preview(shown_before, shown_after, "image/webp")
    vectors = [replace(vector, preview=kept) for vector in recorder.vectors]
    ids = [library.add(vector, noise) for vector, noise in zip(vectors, recorder.noises, strict=True)]
    return Recorded("recorded", ids, vectors, plain, after, price.rows, notes)
