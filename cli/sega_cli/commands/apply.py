"""`sega-vec apply`: add recorded vectors to the runs of other prompts, at the price of a plain run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sega_cli.generating.call_arguments import call_arguments, image_to_image
from sega_cli.generating.edit_parameters import Edits, edit_options, momentum_options, per_concept
from sega_cli.generating.recommended import recommended_edits
from sega_cli.generating.setup import draw_noise, open_pipeline, recorded_call, recorded_model
from sega_cli.options import (
    PATH,
    Place,
    Ref,
    ScaledRef,
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
    from sega_store import GuidanceVector

EXAMPLES = """\b
Examples:
  sega-vec apply glasses --to-prompt "a pencil drawing of a woman"
  sega-vec apply glasses:1.5 smile:-1 --to-prompt "a pencil drawing of a woman" --to-prompt "a portrait of a king"
  sega-vec apply glasses --to-prompt "a portrait of a king" --seed 3 --allow noise --plain --output pictures

\b
A REF is a name, a concept if only one vector has it, or the start of an id; REF:SCALE scales its guidance.
Options that are not given are as recommended for the vector (see sega-vec tune), or else as recorded.
An option given once applies to all vectors; given once for each vector, it applies in their order."""

OVERRIDES = ("noise", "architecture")


@click.command("apply", epilog=EXAMPLES)
@click.argument("refs", metavar="REF[:SCALE]...", type=Ref(), nargs=-1, required=True)
@click.option("--to-prompt", type=Text(), multiple=True, required=True, help="A prompt to run; may be repeated.")
@click.option("--output", type=PATH, default="sega-vec-out", help="The folder for the pictures.")
@call_options("as recorded")
@edit_options
@momentum_options
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Start from the random initial noise that this seed draws; needs --allow noise.",
)
@click.option(
    "--allow", type=click.Choice(OVERRIDES), multiple=True, help="Apply even if this differs from the recording."
)
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
    seed: int | None,
    allow: tuple[str, ...],
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

    The prompts are run from the initial noise that the vectors REF were recorded at, at the price of plain runs.
    """
    from sega_cli.generating.picture import prepare_folder, write_picture

    store = open_library(library)
    vectors = [store[given.ref] for given in refs]
    recommended = [
        recommended_edits(store, vector, ref.ref, edits, run.get("num_inference_steps"), report)
        for vector, ref in zip(vectors, refs, strict=True)
    ]
    changes = [{**edit, **momentum} for edit in _edits(vectors, refs, edits, recommended)]
    start = _start(vectors, refs, seed, allow)
    recorded = vectors[0].provenance
    model = model or recorded_model(recorded.model.id, yes)
    prepare_folder(output)

    pipe = open_pipeline(model, device, dtype, report, **loading)
    if "image" in run:
        pipe = image_to_image(pipe)
    arguments = call_arguments(pipe, recorded_call(pipe, recorded.run, image="image" in run), run, arg)
    from sega_cli.generating.apply_run import apply_to

    noise = store.noise(start) if isinstance(start, str) else draw_noise(pipe, vectors[0].shape[1:], start)
    pictures: list[dict[str, Any]] = []
    notes = RunNotes(report.note)
    differences = {}
    for prompt in to_prompt:
        for count in (0, len(vectors)) if plain else (len(vectors),):
            made = apply_to(pipe, vectors[:count], changes[:count], noise, allow, prompt, arguments)
            path = str(write_picture(output, made.image, made.facts))
            pictures.append(
                {
                    "path": path, "prompt": prompt, "guided": bool(count), "denoiser_rows": made.denoiser_rows,
                    "notes": list(made.notes),
                }
            )  # fmt: skip
            report.item(path, bare=path)
            notes.add(made.notes, path)
            differences.update({v.id: list(c.differences) for v, c in zip(vectors, made.compatibility, strict=False)})
    for ref, vector in zip(refs, vectors, strict=True):
        for difference in differences[vector.id]:
            report.note(f"{clean(ref.ref)} is compatible, not exact: {clean(difference)}")
    report.note(f"{sum(p['denoiser_rows'] for p in pictures)} denoiser rows for {len(pictures)} pictures")
    report.document({"pictures": pictures, "differences": differences})


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


def _start(
    vectors: "Sequence[GuidanceVector]", refs: Sequence[ScaledRef], seed: int | None, allow: Sequence[str]
) -> str | int:
    """The id of the vector whose noise to start from, or the seed to draw it from.

    A noise other than the vectors' is refused before a model is loaded, with a message that names the options.
    """
    from sega_store import IncompatibleError
    from sega_vectors.provenance.gate import check_named

    for vector in vectors:
        check_named(vector)
    start = vectors[0].id if seed is None else seed
    if "noise" in allow:
        return start
    if seed is not None:
        raise IncompatibleError(
            f"a vector acts at the initial noise it was recorded from, met --seed {seed}: leave --seed out, record the"
            " concept at this seed, or add --allow noise to see what another noise does"
        )
    noises = {vector.provenance.noise.sha256: ref.ref for vector, ref in zip(vectors, refs, strict=True)}
    if len(noises) > 1:
        raise IncompatibleError(
            "vectors that are applied together must be recorded from one initial noise, met"
            f" {', '.join(f'{noise[:12]} ({ref})' for noise, ref in noises.items())}: record them with one --seed,"
            " apply them one by one, or add --allow noise"
        )
    return start
