"""`sega-vec apply`: add recorded vectors to the runs of other prompts, at the price of a plain run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sega_cli.generating.call_arguments import call_arguments, image_to_image
from sega_cli.generating.edit_parameters import Edits, edit_options, momentum_options, per_concept
from sega_cli.generating.recommended import recommended_edits
from sega_cli.generating.setup import draw_noise, open_pipeline, recorded_call, recorded_model
from sega_cli.options import (
    FOLDER,
    Place,
    Ref,
    ScaledRef,
    Seeds,
    Text,
    call_options,
    loading_options,
    on_library,
    open_library,
    pipeline_options,
)
from sega_cli.printing.report import Report
from sega_cli.printing.run_notes import RunNotes
from sega_cli.printing.terminal import clean

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

    from sega_store import GuidanceVector, InitialNoise, Library

EXAMPLES = """\b
Examples:
  sega-vec apply glasses --to-prompt "a pencil drawing of a woman"
  sega-vec apply glasses:1.5 smile:-1 --to-prompt "a pencil drawing of a woman" --to-prompt "a portrait of a king"
  sega-vec apply glasses --to-prompt "a portrait of a king" --seed 21 --plain
  sega-vec apply glasses --to-prompt "a portrait of a king" --seed 3 --allow noise --plain --output pictures

\b
A REF is a name, a concept, or the start of an id; REF:SCALE scales its guidance. If a concept was recorded at several
seeds, --seed says which. Pictures that the folder already holds, made in the same way, are not made again, so the same
command resumes an interrupted one.
Options that are not given are as recommended for the vector (see sega-vec tune), or else as recorded.
An option given once applies to all vectors; given once for each vector, it applies in their order."""

OVERRIDES = ("noise", "architecture")


@click.command("apply", epilog=EXAMPLES)
@click.argument("refs", metavar="REF[:SCALE]...", type=Ref(), nargs=-1, required=True)
@click.option("--to-prompt", type=Text(), multiple=True, required=True, help="A prompt to run; may be repeated.")
@click.option("--output", type=FOLDER, default="sega-vec-out", help="The folder for the pictures.")
@call_options("as recorded")
@edit_options
@momentum_options
@click.option(
    "--seed",
    type=Seeds(),
    help="Seeds: 7, 1,2,5 or 0..9. For each, the vectors REF of this seed are applied, at its noise; with --allow"
    " noise, a REF without one is applied at the noise that the seed draws.",
)
@click.option(
    "--allow", type=click.Choice(OVERRIDES), multiple=True, help="Apply even if this differs from the recording."
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    help="How many prompts share a call of the pipeline.  [default: as many as memory allows]",
)
@click.option("--force", is_flag=True, help="Make pictures again that the folder holds already.")
@click.option("--plain", is_flag=True, help="Make the pictures without the vectors too.")
@pipeline_options(None)
@loading_options
@on_library
def command(
    refs: tuple[ScaledRef, ...],
    to_prompt: tuple[str, ...],
    output: Path,
    run: Mapping[str, Any],
    arg: tuple[tuple[str, str], ...],
    edits: Edits,
    momentum: Mapping[str, Any],
    seed: tuple[int, ...] | None,
    allow: tuple[str, ...],
    batch: int | None,
    force: bool,
    plain: bool,
    model: str | None,
    yes: bool,
    device: str,
    dtype: str,
    loading: Mapping[str, Any],
    library: Place,
    report: Report,
) -> None:
    """Apply recorded vectors to other prompts.

    The prompts are run from the initial noise that the vectors REF were recorded at, at the price of plain runs. With
    several seeds, the model is loaded once.
    """
    from sega_cli.generating.picture import held_picture, prepare_folder, write_picture

    store = open_library(library)
    starts = [_start(store, refs, one, edits, momentum, run, allow, report) for one in seed or (None,)]
    models = dict.fromkeys(start.vectors[0].provenance.model.id for start in starts)
    if model is None and len(models) > 1:
        listed = ", ".join(clean(name[:200]) for name in models)
        raise click.UsageError(f"vectors are applied with one model, met those of {listed}: name it with --model.")
    model = model or recorded_model(next(iter(models)), yes)
    prepare_folder(output)

    pictures: list[dict[str, Any]] = []
    differences: dict[str, list[str]] = {}
    with report.answer({"pictures": pictures, "differences": differences}):
        pipe = open_pipeline(model, device, dtype, report, **loading)
        if "image" in run:
            pipe = image_to_image(pipe)
        from sega_cli.generating.apply_run import ApplyRun
        from sega_cli.generating.batches import Batches

        notes, batches = RunNotes(report.note), Batches(pipe.device, batch)
        for start, guided in product(starts, (False, True) if plain else (True,)):
            recorded = start.vectors[0].provenance.run
            arguments = call_arguments(pipe, recorded_call(pipe, recorded, image="image" in run), run, arg)
            noise = start.noise(store, pipe)
            acting, changes = (start.vectors, start.changes) if guided else ([], [])
            apply = ApplyRun(pipe, acting, changes, noise, arguments, allow)
            held = {prompt: None if force else held_picture(output, apply.facts(prompt)) for prompt in to_prompt}
            made = batches.of([prompt for prompt, path in held.items() if path is None], apply)
            for prompt, path in held.items():
                picture: dict[str, Any] = {
                    "path": "", "prompt": prompt, "guided": guided, "seed": noise.seed, "status": "held already",
                    "denoiser_rows": 0, "notes": [],
                }  # fmt: skip
                if path is None:
                    one = next(made)
                    path = write_picture(output, one.image, one.facts)
                    picture |= {"status": "made", "denoiser_rows": one.denoiser_rows, "notes": list(one.notes)}
                    found = zip(acting, one.compatibility, strict=True)
                    differences |= {vector.id: list(compatible.differences) for vector, compatible in found}
                pictures.append({**picture, "path": str(path)})
                report.item(f"{path}  held already" if picture["status"] != "made" else str(path), bare=str(path))
                notes.add(picture["notes"], str(path))
        for ref, vector in chain(*(zip(refs, start.vectors, strict=True) for start in starts)):
            notes.add([f"{ref.ref} is compatible, not exact: {one}" for one in differences.get(vector.id, ())], "")
        rows, kept = sum(p["denoiser_rows"] for p in pictures), sum(p["status"] != "made" for p in pictures)
        report.note(f"{rows} denoiser rows for {len(pictures) - kept} pictures")
        if kept:
            report.note(f"{kept} pictures held already in {clean(str(output))}: --force makes them again")


@dataclass(frozen=True)
class _Start:
    """One vector for each REF, and what they start from.

    Attributes:
        vectors: The vectors.
        changes: For each, the edit parameters that differ from its recording.
        of: The id of the vector whose noise it is, or the seed that draws it.
    """

    vectors: "Sequence[GuidanceVector]"
    changes: Sequence[Mapping[str, Any]]
    of: str | int

    def noise(self, store: "Library", pipe: "DiffusionPipeline") -> "InitialNoise":
        """The initial noise."""
        return (
            store.noise(self.of) if isinstance(self.of, str) else draw_noise(pipe, self.vectors[0].shape[1:], self.of)
        )


def _start(
    store: "Library",
    refs: Sequence[ScaledRef],
    seed: int | None,
    edits: Edits,
    momentum: Mapping[str, Any],
    run: Mapping[str, Any],
    allow: Sequence[str],
    report: Report,
) -> _Start:
    """The vectors of REFs, at a seed if one is given; what can't be applied is refused before a model is loaded.

    Raises:
        IncompatibleError: A REF has no vector of this seed, or the vectors are of several noises, and it isn't allowed.
    """
    from sega_vectors.provenance.gate import check_named, check_one_noise

    vectors = [store[_at_seed(store, given.ref, seed, allow)] for given in refs]
    recommended = [
        recommended_edits(store, vector, ref.ref, edits, run.get("num_inference_steps"), report)
        for vector, ref in zip(vectors, refs, strict=True)
    ]
    changes = [{**edit, **momentum} for edit in _edits(vectors, refs, edits, recommended)]
    for vector in vectors:
        check_named(vector)
    if "noise" not in allow:
        named = {ref.ref: vector for vector, ref in zip(vectors, refs, strict=True)}
        check_one_noise(named, "record them with one --seed, or add --allow noise")
    own = (vector.id for vector in vectors if seed in (None, vector.provenance.noise.seed))
    return _Start(vectors, changes, next(own, seed))  # type: ignore[arg-type]  # without a seed all are its own


def _at_seed(store: "Library", ref: str, seed: int | None, allow: Sequence[str]) -> str:
    """The id of a REF's vector of a seed; if it has none and another noise is allowed, of the one that it names."""
    from sega_store import IncompatibleError
    from sega_store.library.library import seeds_of

    named = store.catalogue.lookup(ref)
    if not named or seed in (None, *(entry.seed for entry in named)):
        return store.resolve(ref, seed)
    if "noise" in allow:
        return store.resolve(ref)
    raise IncompatibleError(
        f"a vector acts at the initial noise it was recorded from, met --seed {seed} for {ref!r}; {seeds_of(named)}:"
        " choose among these, record the concept at this seed, or add --allow noise to see what another noise does"
    )


def _edits(
    vectors: "Sequence[GuidanceVector]",
    refs: Sequence[ScaledRef],
    edits: Edits,
    recommended: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Each vector's edit parameters that differ from its recording; invalid ones are refused before loading a model."""
    given = per_concept(edits, len(vectors), "vectors")
    changes = [{**own, **change} for own, change in zip(recommended, given, strict=True)]
    for vector, ref, change in zip(vectors, refs, changes, strict=True):
        if ref.scale != 1:
            recorded = vector.concept.edit_guidance_scale
            change["edit_guidance_scale"] = ref.scale * change.get("edit_guidance_scale", recorded)
        threshold = change.get("edit_threshold", vector.concept.edit_threshold)
        replace(vector.thresholded(threshold).concept, **change)
    return changes
