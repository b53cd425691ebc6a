"""One recording: record a prompt's concepts at one noise, and keep them as soon as they are done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sega_cli.generating.picture import encode_webp, held_picture, recorded_facts, vector_facts
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
        vectors: The vectors of the pictures; () if nothing was run.
        before: The picture of the plain run, if it was made.
        after: The picture of the recorded run, if it was made.
        denoiser_rows: The price of the recording: how many rows the denoiser computed.
        notes: What a user should know of the run.
        there: The pictures that the folder for them holds already.
    """

    status: str
    ids: Sequence[str]
    vectors: "Sequence[GuidanceVector]" = ()
    before: "Image | None" = None
    after: "Image | None" = None
    denoiser_rows: int = 0
    notes: Sequence[str] = ()
    there: Sequence[Path] = ()

    def pictures(self) -> "list[tuple[Image, dict[str, Any]]]":
        """The pictures that were made, the plain one first, with their provenance."""
        facts = _facts_of_pictures(self.vectors) if self.vectors else ()
        made = zip((self.before, self.after), facts, strict=False)
        return [(image, told) for image, told in made if image is not None]


def _facts_of_pictures(vectors: "Sequence[GuidanceVector]") -> list[dict[str, Any]]:
    """The provenance of a recording's pictures, the plain one first, as its vectors tell it."""
    guided = [vector_facts(vector, {}) for vector in vectors]
    return [recorded_facts("record", vectors[0].provenance, shown) for shown in ([], guided)]


def record_from(
    recorder: "Recorder",
    library: "Library",
    prompt: str,
    arguments: Mapping[str, Any],
    start: Start,
    *,
    before: bool,
    preview: bool,
    output: Path | None = None,
) -> Recorded:
    """Record, unless the library already holds the resulting vectors, and `output` their pictures.

    For the pictures of vectors that are held the run is made again, and nothing of it is kept.

    Args:
        recorder: The recorder, with its pipeline and concepts.
        library: Where the vectors and their noise go.
        arguments: Further arguments of the pipeline's call.
        before: Whether to make the plain run's picture too.
        preview: Whether to keep both pictures with the vectors.
        output: The folder that the pictures will be written to, if any.

    Raises:
        IncompatibleError: The run did not start from the noise that `start` names; nothing is kept.
    """
    from sega_store import IncompatibleError, Preview
    from sega_vectors import DenoiserRows
    from sega_vectors.pipeline.notes import result_notes

    pipe = recorder.pipe
    recipes = recorder.recipes(prompt=prompt, **start.arguments(pipe), **arguments)
    found = [library.by_recipe(recipe) for recipe in recipes]
    held = [ids[0] for ids in found] if all(found) else []
    shown = [library[identity] for identity in held] if output else []
    there = [held_picture(output, facts) for facts in _facts_of_pictures(shown)] if output and shown else []
    if held and all(there):
        return Recorded("held already", held, there=[path for path in there if path])
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
    if held:
        return Recorded("held already", held, shown, plain, after, price.rows, notes)
    kept = None
    if preview and plain is not None:
        shown_before, shown_after = (encode_webp(image, quality=90, method=6) for image in (plain, after))
        kept = Preview(shown_before, shown_after, "image/webp")
    vectors = [replace(vector, preview=kept) for vector in recorder.vectors]
    ids = [library.add(vector, noise) for vector, noise in zip(vectors, recorder.noises, strict=True)]
    return Recorded("recorded", ids, vectors, plain, after, price.rows, notes)
