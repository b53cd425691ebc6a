"""`sega-vec demo`: the main workflow on the embedded model, measured and shown in one picture."""

import time
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sega_cli.generating.defaults import defaults_of
from sega_cli.generating.setup import open_pipeline
from sega_cli.options import FOLDER, Seeds, open_library, reporting
from sega_cli.printing.report import Report

if TYPE_CHECKING:
    from sega_store import GuidanceVector, InitialNoise

EXAMPLES = """\b
Examples:
  sega-vec demo
  sega-vec demo --output pictures --seed 7,8"""

CONCEPTS = ("glasses", "hat", "beard")
PROMPTS = (  # the first is recorded on
    "a cartoon of a woman",
    "a pencil drawing of a queen",
    "a photograph of a man",
    "a watercolour of a woman with red hair",
    "pixel art of a king",
    "a photograph of a woman with blond hair",
)


@click.command("demo", epilog=EXAMPLES)
@click.option("--output", type=FOLDER, default="sega-vec-demo", help="The folder for the picture and the library.")
@click.option("--seed", type=Seeds(), default="1..6", help="Seeds that draw the random initial noises, two or more.")
@click.option("--steps", type=click.IntRange(min=1), help="num_inference_steps.  [default: the model's]")
@reporting
def command(output: Path, seed: tuple[int, ...], steps: int | None, report: Report) -> None:
    """Record, apply and measure on the embedded model.

    Three concepts are recorded on one prompt and applied to prompts of other styles, from the same initial noise and,
    as a control, from another. A judge tells how often the concept appears.
    """
    from sega_cli.generating.picture import prepare_folder, recorded_facts, vector_facts, write_picture

    if len(seed) < 2:
        raise click.UsageError(f"the control needs a second initial noise, met one seed, {seed[0]}: give two or more.")
    start = time.monotonic()
    library = open_library(prepare_folder(output) / "library")
    document: dict[str, Any] = {
        "picture": None, "library": str(output / "library"), "prompts": list(PROMPTS), "seeds": list(seed), "bytes": {},
    }  # fmt: skip

    def keep(vector: "GuidanceVector", noise: "InitialNoise") -> None:
        identity = library.add(vector, noise)
        document["bytes"][identity] = library.entry(identity).bytes

    with report.answer(document):
        pipe = open_pipeline("embedded", "auto", "auto", report)
        pipe.set_progress_bar_config(disable=True)  # one bar for all
        from sega_cli.printing.transfer_report import lines, picture, rates, rows_per_picture
        from sega_vectors.judging.embedded_judge import Judge
        from sega_vectors.judging.trials import Trials, draw_noises, measure_transfer

        defaults = defaults_of("embedded")
        arguments = {**defaults.run, **({"num_inference_steps": steps} if steps else {})}
        trials = Trials(pipe, Judge.load(), CONCEPTS[0], PROMPTS, draw_noises(pipe, seed, arguments), arguments)
        edit = defaults.edit_in(steps)
        scale = {"edit_guidance_scale": defaults.apply_scale}
        pictures = trials.size * (1 + 3 * len(CONCEPTS))
        with report.progress("picture", pictures) as step:
            plain = trials.run(progress=step)
            measured = {
                text: measure_transfer(replace(trials, concept=text), plain, edit, scale, step, keep)
                for text in CONCEPTS
            }
        vectors = list(chain(*zip(*(one.vectors for one in measured.values()), strict=True)))
        facts = recorded_facts("demo", vectors[0].provenance, [vector_facts(vector, {}) for vector in vectors])
        path = write_picture(output, picture(PROMPTS, seed, measured), facts, "demo.png")
        seconds = time.monotonic() - start
        document |= {
            "picture": str(path), "success": rates(PROMPTS, measured),
            "denoiser_rows_per_picture": rows_per_picture(measured), "seconds": seconds,
        }  # fmt: skip
        for line in lines(PROMPTS, measured, document["bytes"]):
            report.item(line)
        report.item(f"{pictures} pictures in {seconds:.0f} s")
        report.item(f"Picture: {path}\nLibrary: {output / 'library'}", bare=str(path))
