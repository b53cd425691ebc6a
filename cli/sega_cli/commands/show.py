"""`sega-vec show`: draw one guidance vector in the terminal."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from sega_cli.generating.recommended import describe, recommended_of
from sega_cli.options import Place, on_library, open_library
from sega_cli.printing.report import Report
from sega_cli.printing.terminal import clean, heat_map, size, sparkline
from sega_cli.selection import seed_option

if TYPE_CHECKING:
    from sega_store import Entry, GuidanceVector

EXAMPLES = """\b
Examples:
  sega-vec show glasses
  sega-vec show glasses --seed 21
  sega-vec show glasses --json

\b
A text of more than 2,000 characters is cut; --json prints it whole."""


@click.command("show", epilog=EXAMPLES)
@click.argument("ref")
@seed_option
@on_library
@click.pass_context
def command(ctx: click.Context, ref: str, seed: int | None, library: Place, report: Report) -> None:
    """Draw the vector REF in the terminal.

    Shows when and where it acts, where it comes from, and its file.
    """
    store = open_library(library)
    entry = store.entry(ref, seed)
    vector, path = store[entry.id], store.location_of(entry.id)
    if report.plain:
        colour = ctx.color is not False and report.terminal
        for line in _drawing(vector, colour=colour):
            report.item(line)
    recommended = recommended_of(store, vector.id, report)
    for key, value in _facts(entry, vector, path, describe(recommended) if recommended else "-").items():
        report.item(f"{key:<16} {clean(str(value))}", bare=entry.id if key == "id" else None)
    report.document({**_document(entry, vector, path), "recommended": recommended and recommended.to_json()})


def _drawing(vector: "GuidanceVector", *, colour: bool) -> Iterator[str]:
    from sega_store.records.activity import activity

    counts, energy = vector.counts(), vector.energy()
    per_step = vector.packed.size // len(counts)
    yield click.style(clean(vector.concept.text), bold=True)
    yield ""
    first, last = (f"{vector.timesteps[i]:g}" for i in (0, -1))
    yield f"{len(counts)} steps, timestep {first} to {last}"
    yield f"support {sparkline(counts.tolist())} at most {counts.max() / per_step:.1%} of the entries"
    yield f"energy  {sparkline(energy.tolist())} at most {energy.max():.3g}"
    yield f"guides  {_guides(vector)}, as recorded"
    yield ""
    yield "where it acts, over all steps and channels"
    yield from heat_map(activity(vector), colour=colour)
    yield ""


def _guides(vector: "GuidanceVector") -> str:
    """The steps that the recorded parameters guide, counted from 0."""
    concept, steps = vector.concept, vector.shape[0]
    cooldown = concept.edit_cooldown_steps
    last = steps - 1 if cooldown is None else min(cooldown, steps) - 1
    first = concept.warmup
    return f"steps {first} to {last} of 0 to {steps - 1}" if first <= last else f"none of its {steps} steps"


def _facts(entry: "Entry", vector: "GuidanceVector", path: str, recommended: str) -> Mapping[str, Any]:
    """What its file, its annotations and its provenance say, in the field's words."""
    stored, dense = entry.bytes, vector.packed.size * vector.values.itemsize
    concept, facts = vector.concept, vector.provenance
    run, noise = facts.run, facts.noise
    edit = {key: value for key, value in concept.to_json().items() if key != "text" and value is not None}
    momentum = {"edit_momentum_scale": run.edit_momentum_scale, "edit_mom_beta": run.edit_mom_beta}
    seed = "" if noise.seed is None else f"seed {noise.seed} on {noise.device}, "
    return {
        "id": entry.id,
        "name": entry.name or "-",
        "tags": ", ".join(entry.tags) or "-",
        "file": path,
        "size": f"{size(stored)}, {stored / dense:.1%} of {size(dense)} dense",
        "entries": f"{vector.nnz} of {vector.packed.size}, {vector.dtype}, shape {' x '.join(map(str, vector.shape))}",
        "recommended": recommended,
        "prompt": run.prompt,
        "negative_prompt": run.negative_prompt or "-",
        "edit": ", ".join(f"{key} {value}" for key, value in {**edit, **momentum}.items()),
        "companions": ", ".join(companion.text for companion in run.companions) or "-",
        "guided": "by its own concepts" if run.guide else "by nothing: observed on the plain run",
        "guidance_scale": run.guidance_scale,
        "steps": run.num_inference_steps,
        "noise": f"{seed}{noise.dtype}, {noise.sha256}",
        "model": f"{facts.model.id}, {facts.model.pipeline}, {facts.model.dtype} on {facts.model.device}",
        "weights": facts.model.fingerprint,
        "scheduler": f"{facts.scheduler.name}, {facts.scheduler.prediction_type}",
        "versions": ", ".join(f"{name} {version}" for name, version in facts.versions.items()),
        "created": facts.created,
        "derived_from": ", ".join(facts.derived_from) or "-",
    }


def _document(entry: "Entry", vector: "GuidanceVector", path: str) -> Mapping[str, Any]:
    return {
        **asdict(entry),
        "path": path,
        "content": vector.content,
        "recipe": vector.recipe,
        "concept": vector.concept.to_json(),
        "provenance": vector.provenance.to_json(),
        "timesteps": vector.timesteps.tolist(),
        "sigmas": [s if s != float("inf") else None for s in vector.sigmas.tolist()],
        "counts": vector.counts().tolist(),
        "energy": vector.energy().tolist(),
        "preview": vector.preview.media_type if vector.preview else None,
    }
