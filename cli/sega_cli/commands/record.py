"""`sega-vec record`: run a prompt with SEGA once per seed and keep the guidance vectors of its concepts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from sega_cli.generating.call_arguments import call_arguments, image_to_image
from sega_cli.generating.defaults import defaults_of
from sega_cli.generating.edit_parameters import Edits, momentum_options, per_concept, recording_options
from sega_cli.generating.setup import Start, open_pipeline
from sega_cli.options import (
    FOLDER,
    Place,
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
from sega_cli.printing.terminal import clean, size

_EMBEDDED = defaults_of("embedded")
EXAMPLES = f"""\b
Examples:
  sega-vec record "a portrait of a man" --concept glasses --seed 21
  sega-vec record "a portrait of a man" --concept glasses --concept smile --seed 0..9
  sega-vec record "a portrait of a man" --concept hat --edit-guidance-scale 8 --edit-threshold 0.9 --output pictures

\b
An edit parameter given once applies to all concepts; given once for each concept, it applies in their order.
Vectors that the library already holds are not recorded again, so the same command resumes an interrupted sweep.
Pictures of them that --output lacks are drawn, by the same run once more.

\b
Defaults: those of diffusers (s_e 5, λ 0.95, δ a fifth of the steps, s_m 0.1, β_m 0.4); with the embedded model
{_EMBEDDED}."""


@click.command("record", epilog=EXAMPLES)
@click.argument("prompt", type=Text())
@click.option("--concept", type=Text(), multiple=True, required=True, help="A concept to record; may be repeated.")
@click.option(
    "--seed",
    type=Seeds(),
    default="0",
    help="Seeds: 7, 1,2,5 or 0..9. Each draws the random initial noise that one run starts from.",
)
@call_options("the model's")
@recording_options
@momentum_options
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=1,
    help="How many seeds share a call of the pipeline. A vector's last bits, and so its id, may depend on it.",
)
@click.option("--no-guide", is_flag=True, help="Observe the concepts on the plain run, without editing it.")
@click.option("--no-preview", is_flag=True, help="Don't keep the pictures before and after with the vectors.")
@click.option("--name", type=Text(), multiple=True, help="A name in the library, one for each concept.")
@click.option("--output", type=FOLDER, help="A folder for the pictures before and after.")
@pipeline_options("embedded")
@loading_options
@on_library
def command(
    prompt: str,
    concept: tuple[str, ...],
    seed: tuple[int, ...],
    run: Mapping[str, Any],
    arg: tuple[tuple[str, str], ...],
    edits: Edits,
    momentum: Mapping[str, Any],
    batch: int,
    no_guide: bool,
    no_preview: bool,
    name: tuple[str, ...],
    output: Path | None,
    model: str,
    device: str,
    dtype: str,
    loading: Mapping[str, Any],
    library: Place,
    report: Report,
) -> None:
    """Record the guidance vector of each concept on PROMPT.

    PROMPT is run with SEGA, once for each seed. All concepts are recorded in the same run, which they guide together.
    """
    from sega_cli.generating.picture import prepare_folder, write_picture
    from sega_store import Concept

    if name and (len(name) != len(concept) or len(seed) > 1):
        raise click.UsageError(
            f"--name is given {len(name)} times for {len(concept) * len(seed)} vectors: a name is for one vector,"
            " so give one for each concept, and one seed."
        )
    defaults = defaults_of(model)
    own = per_concept(edits, len(concept), "concepts")
    usual = defaults.edit_in(run.get("num_inference_steps"))
    concepts = [Concept(text, **{**usual, **edit}) for text, edit in zip(concept, own, strict=True)]
    for folder in (library, output):
        if isinstance(folder, Path):
            prepare_folder(folder)

    rows: list[dict[str, Any]] = []
    pictures: list[str] = []
    with report.answer({"library": str(library), "vectors": rows, "pictures": pictures}):
        pipe = open_pipeline(model, device, dtype, report, **loading)
        if "image" in run:
            pipe = image_to_image(pipe)
        arguments = call_arguments(pipe, defaults.run, run, arg)
        from sega_cli.generating.batches import Batches
        from sega_cli.generating.record_run import RecordRun
        from sega_vectors import Recorder

        recorder = Recorder(pipe, concepts, guide=not no_guide, **momentum)
        store, notes = open_library(library), RunNotes(report.note)
        run_from = RecordRun(
            recorder, store, prompt, arguments,
            before=bool(output) or not no_preview, preview=not no_preview, output=output,
        )  # fmt: skip
        starts = [Start(number) for number in seed]
        for number, made in zip(seed, Batches(pipe.device, batch).of(starts, run_from), strict=True):
            for text, label, identity in zip(concept, name or [None] * len(concept), made.ids, strict=True):
                if label is not None:
                    store.annotate(identity, name=label)
                path, stored = store.location_of(identity), store.entry(identity).bytes
                rows.append(
                    {
                        "id": identity, "name": label, "concept": text, "seed": number, "status": made.status,
                        "path": path, "bytes": stored, "denoiser_rows": made.denoiser_rows,
                        "notes": list(made.notes),
                    }
                )  # fmt: skip
                line = f"{store.short(identity)}  {clean(text)}  seed {number}  {size(stored)}  {made.status}"
                report.item(line, bare=identity)
            notes.add(made.notes, f"seed {number}")
            for image, facts in made.pictures():
                if output is not None:
                    pictures.append(str(write_picture(output, image, facts)))
                    report.item(pictures[-1])
            for there in made.there:
                pictures.append(str(there))
                report.item(f"{there}  held already")
