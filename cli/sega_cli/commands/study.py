"""`sega-vec study`: measure SEGA's properties on a model, and write a reproducible report."""

import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from sega_cli.generating.defaults import defaults_of
from sega_cli.generating.setup import model_name
from sega_cli.options import (
    FOLDER,
    FilePath,
    LibraryPlace,
    Place,
    Seeds,
    Text,
    grouped,
    open_library,
    pipeline_options,
    reporting,
    run_options,
)
from sega_cli.printing.report import Report

if TYPE_CHECKING:
    from sega_vectors.judging.judges import PictureJudge
    from sega_vectors.study.plan import Plan

POINTS = ("robustness", "transfer", "monotonicity", "isolation", "choices", "another-noise", "composition")

EXAMPLES = """\b
Examples:
  sega-vec study --dry-run
  sega-vec study transfer --concept glasses --concept hat --seed 0..7 --output study
  sega-vec study --plan study/plan.json --jobs 2

\b
Pictures that exist already are not made again, so the same command resumes an interrupted study. For a model other
than the embedded one, name a judge, such as --judge clip:openai/clip-vit-base-patch32. The report's plots need
an extra: pip install 'sega-vectors[eval]'."""

# What differs from the plan, under the plan's own names.
plan_options = grouped(
    "given",
    click.option("--concept", type=Text(), multiple=True, help="A concept to study; may be repeated."),
    click.option("--style", type=Text(), multiple=True, help="A prompt's beginning, such as 'a pencil drawing of'."),
    click.option("--subject", type=Text(), multiple=True, help="A prompt's end, such as 'a woman'."),
    click.option("--seed", type=Seeds(), help="Seeds that draw the random initial noises: 1,2,5 or 0..64."),
    click.option("--swap", type=(Text(), Text()), multiple=True, help="A concept, and one to replace it."),
    click.option("--tried", type=click.IntRange(min=2), help="How many of the noises to try vectors at."),
    click.option(
        "--few", type=click.IntRange(min=2), help="How many noises to use for points with many runs per noise."
    ),
    click.option("--apply-scale", type=float, help="The guidance scale s_e to apply vectors with."),
    click.option("--judge", help="embedded, or clip:MODEL.  [default: embedded for the embedded model]"),
    concept="concepts",
    style="styles",
    subject="subjects",
    seed="seeds",
    swap="swaps",
)


@click.command("study", epilog=EXAMPLES)
@click.argument("points", nargs=-1, type=click.Choice(POINTS), metavar="[POINT]...")
@click.option("--plan", type=FilePath(exists=True, dir_okay=False), help="Repeat a report's plan.json.")
@plan_options
@run_options("the model's")
@click.option("--output", type=FOLDER, default="sega-vec-study", help="The study's folder.")
@click.option("--library", type=LibraryPlace(), help="A library for the vectors.  [default: one in the output folder]")
@click.option("--batch-size", type=click.IntRange(min=1), default=8, help="Pictures per call.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, help="How many processes make pictures.")
@click.option("--dry-run", is_flag=True, help="Say what would be made, and make nothing.")
@pipeline_options("embedded")
@reporting
def command(
    points: tuple[str, ...],
    plan: Path | None,
    given: Mapping[str, Any],
    run: Mapping[str, Any],
    output: Path,
    library: Place | None,
    batch_size: int,
    jobs: int,
    dry_run: bool,
    model: str,
    device: str,
    dtype: str,
    report: Report,
) -> None:
    """Measure what guidance vectors do on a model.

    POINT is one or more of robustness, transfer, monotonicity, isolation, choices, another-noise and composition; all
    of them if none is given. The pictures are made, judged and compared; report.html in the output folder shows the
    results.
    """
    from sega_cli.generating.picture import prepare_folder
    from sega_vectors.study.plan import default_plan
    from sega_vectors.study.study import Study, read_plan

    if plan and click.get_current_context().get_parameter_source("model") is not ParameterSource.DEFAULT:
        raise click.UsageError(f"--plan {plan} names its model, met --model {model} too: leave one of them out.")
    chosen = read_plan(plan) if plan else default_plan(model_name(model))
    if not plan and chosen.edit:
        chosen = replace(chosen, edit=defaults_of(chosen.model).edit_in(run.get("num_inference_steps")))
    chosen = replace(chosen, **given, arguments={**chosen.arguments, **run})
    study = Study(chosen, points or POINTS, output, open_library(library or output / "library"), device, dtype)
    runs, missing = study.runs, study.missing()
    report.note(f"{len(runs)} pictures, {len(missing)} of them to be made")
    document: dict[str, Any] = {"pictures": len(runs), "made": len(missing), "plan": chosen.to_json()}
    if dry_run:
        report.document(document)
        return
    start = time.monotonic()
    prepare_folder(output)
    document |= {"output": str(output), "made": 0}
    with report.answer(document):
        judge = _ready(chosen, report)
        from sega_vectors.study.report import StudyReport

        try:
            with report.progress("picture", len(missing)) as step:
                study.make(step, batch_size=batch_size, jobs=jobs)
        finally:
            document["made"] = len(missing) - len(study.missing())
        facts = {
            "Command": shlex.join(["sega-vec", *sys.argv[1:]]),
            "Precision": study.archive.setting["dtype"],
            "Pictures": f"{len(runs)}, of which {len(missing)} were made by this command",
            "Time": f"{(time.monotonic() - start) / 60:.1f} minutes for these",
        }
        page, *others = StudyReport(chosen, study.findings(study.evidence(judge)), facts).write(output)
        report.item(f"Report: {page}\nFigures and tables: {len(others)} files beside it", bare=str(page))
        document |= {"report": str(page), "files": [str(path) for path in others]}


def _ready(plan: "Plan", report: Report) -> "PictureJudge":
    """The judge. It is loaded, and the plots' libraries are looked for, before hours of work begin."""
    from importlib.util import find_spec

    from sega_vectors.judging.judges import load_judge
    from sega_vectors.pipeline.loading import quiet

    if lacking := [name for name in ("matplotlib", "scipy", "torchmetrics") if find_spec(name) is None]:
        raise click.UsageError(
            f"a study's figures need {', '.join(lacking)}, which the extra brings: pip install 'sega-vectors[eval]'."
        )
    if not report.bars:
        quiet()
    return load_judge(plan.judge, plan.judged)
