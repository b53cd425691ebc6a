"""Recordings: a prompt's concepts at some noises, kept as soon as they are done."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sega_cli.generating.batches import repeated
from sega_cli.generating.picture import encode_webp, held_picture, recorded_facts, vector_facts
from sega_cli.generating.setup import Start, pictures_of, starting, unwarned

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


class RecordRun:
    """Records a prompt at any noises, and keeps each vector as soon as it is done."""

    def __init__(
        self,
        recorder: "Recorder",
        library: "Library",
        prompt: str,
        arguments: Mapping[str, Any],
        *,
        before: bool,
        preview: bool,
        output: Path | None = None,
    ) -> None:
        """Prepare.

        Args:
            recorder: The recorder, with its pipeline and concepts.
            library: Where the vectors and their noise go.
            arguments: Further arguments of the pipeline's call.
            before: Whether to make the plain run's picture too.
            preview: Whether to keep both pictures with the vectors.
            output: The folder that the pictures will be written to, if any.
        """
        self._recorder, self._library, self._prompt, self._arguments = recorder, library, prompt, arguments
        self._before, self._preview, self._output = before, preview, output

    def __call__(self, starts: Sequence[Start]) -> list[Recorded]:
        """Record from some noises in one call of the pipeline, unless the library already holds the resulting vectors,
        and the folder their pictures. For the pictures of vectors that are held the run is made again, and nothing of
        it is kept.

        Raises:
            IncompatibleError: The run did not start from the noise that a start names; nothing is kept.
        """
        held = [self._held(start) for start in starts]
        rest = [(start, one) for start, one in zip(starts, held, strict=True) if not one.whole]
        made = iter(self._made(rest) if rest else ())
        return [one.recorded if one.whole else next(made) for one in held]

    def _held(self, start: Start) -> "_Held":
        """What of a recording is there before it is made."""
        pipe, output = self._recorder.pipe, self._output
        recipes = self._recorder.recipes(prompt=self._prompt, **start.arguments(pipe), **self._arguments)
        found = [self._library.by_recipe(recipe) for recipe in recipes]
        ids = [ids[0] for ids in found] if all(found) else []
        vectors = [self._library[identity] for identity in ids] if output else []
        there = [held_picture(output, facts) for facts in _facts_of_pictures(vectors)] if output and vectors else []
        return _Held(ids, vectors, [path for path in there if path], bool(ids) and all(there))

    def _made(self, wanted: "Sequence[tuple[Start, _Held]]") -> Iterator[Recorded]:
        from sega_store import IncompatibleError, Preview
        from sega_vectors import DenoiserRows
        from sega_vectors.pipeline.notes import result_notes

        recorder, pipe, count = self._recorder, self._recorder.pipe, len(wanted)
        starts, each = [start for start, _ in wanted], len(recorder.concepts)
        arguments = repeated(self._arguments, [self._prompt] * count)
        with DenoiserRows(pipe) as price, unwarned():
            done = recorder.record(**arguments, **starting(starts, pipe))
        after = pictures_of(pipe, done.output)
        for start, noise in zip(starts, done.noises[::each], strict=True):
            if start.noise is not None and noise != start.noise:
                raise IncompatibleError(
                    f"a recording must start from the stored noise {start.noise.sha256[:12]} of shape"
                    f" {start.noise.shape}, this one started from {noise.sha256[:12]} of shape {noise.shape}: use the"
                    " model and the size that the noise is from, or a seed"
                )
        plain: Sequence[Image | None] = [None] * count if recorder.guide else after
        blanked: list[list[str]] = [[] for _ in wanted]
        if self._before and recorder.guide:
            result = pipe(**arguments, **starting(starts, pipe))
            plain, blanked = pictures_of(pipe, result), [result_notes(result, sample) for sample in range(count)]
        for sample, (_, held) in enumerate(wanted):
            part = slice(sample * each, (sample + 1) * each)
            notes = [*done.sample_notes[sample], *(f"without the concepts, {note}" for note in blanked[sample])]
            one, other, rows = plain[sample], after[sample], price.rows // count
            if held.ids:
                yield Recorded("held already", held.ids, held.vectors, one, other, rows, notes)
                continue
            kept = None
            if self._preview and one is not None:
                shown_before, shown_after = (encode_webp(image, quality=90, method=6) for image in (one, other))
                kept = Preview(shown_before, shown_after, "image/webp")
            vectors = [replace(vector, preview=kept) for vector in done.vectors[part]]
            ids = [self._library.add(v, noise) for v, noise in zip(vectors, done.noises[part], strict=True)]
            yield Recorded("recorded", ids, vectors, one, other, rows, notes)


@dataclass(frozen=True)
class _Held:
    """What of a recording is there before it is made.

    Attributes:
        ids: The ids of its vectors, if the library holds all.
        vectors: They, if their pictures are wanted.
        there: The pictures that are there.
        whole: Whether nothing is missing.
    """

    ids: Sequence[str]
    vectors: "Sequence[GuidanceVector]"
    there: Sequence[Path]
    whole: bool

    @property
    def recorded(self) -> Recorded:
        return Recorded("held already", self.ids, there=self.there)
