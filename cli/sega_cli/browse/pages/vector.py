"""A vector's page: its pictures, where and when it acts, where it comes from, and its annotations."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Form
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from sega_cli.browse.pages.noise import noise_is_held
from sega_cli.browse.pages.pictures import columns
from sega_cli.browse.parts.plots import histogram, place, plot
from sega_cli.browse.parts.reproduce import apply_it, record_again
from sega_cli.browse.site import Site, SiteOf
from sega_cli.printing.terminal import size
from sega_store import GuidanceVector, InvalidInputError
from sega_store.display.pictures import decode
from sega_store.files.vector_file import check_vector_size
from sega_store.places import layout
from sega_store.records.activity import activity
from sega_store.records.dtypes import widen

EXPORTS = ("zip", "safetensors")  # formats, and what their files end in
MAX_ROWS = 1000
MAX_FORM_TEXT = 1 << 16

router = APIRouter()


@router.get("/vectors/{ref}")
def vector_page(site: SiteOf, ref: str) -> Response:
    """A vector's page; any REF other than its id redirects there."""
    identity = site.library.resolve(ref)
    if identity != ref:
        return RedirectResponse(site.links.vector(identity), 307)
    return site.page("vector.html", **vector_context(site, identity))


@router.get("/vectors/{identity}/file")
def download(site: SiteOf, identity: str) -> Response:
    """The vector's own file."""
    identity = site.library.resolve(identity)
    data = site.library.files.read(layout.vector_key(identity), check_vector_size)
    headers = {"Content-Disposition": f'attachment; filename="{identity[:12]}.zarr.zip"'}
    return Response(data, media_type="application/zip", headers=headers)


@router.get("/vectors/{identity}/export/{kind}")
def export(site: SiteOf, identity: str, kind: str) -> Response:
    """The vector with its noise and annotation, in a format for other programs."""
    import tempfile
    from pathlib import Path

    from sega_store import export_vectors

    identity = site.library.resolve(identity)
    if kind not in EXPORTS:
        raise InvalidInputError(
            f"A page exports as {' or '.join(EXPORTS)}, met {kind!r}. For other formats use sega-vec export."
        )
    folder = tempfile.TemporaryDirectory(prefix="sega-vec-")
    try:
        path = Path(folder.name, f"{identity[:12]}.{kind}")
        export_vectors(site.library, path, [identity], kind)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(path, filename=path.name, background=BackgroundTask(folder.cleanup))


@router.post("/vectors/{identity}/annotation")
def annotate(
    site: SiteOf,
    request: Request,
    identity: str,
    name: Annotated[str | None, Form(max_length=MAX_FORM_TEXT)] = None,
    rating: Annotated[str | None, Form(max_length=1)] = None,
    notes: Annotated[str | None, Form(max_length=MAX_FORM_TEXT)] = None,
    add: Annotated[str | None, Form(max_length=MAX_FORM_TEXT)] = None,
    remove: Annotated[str | None, Form(max_length=MAX_FORM_TEXT)] = None,
) -> Response:
    """Changes a vector's annotations; anything not given stays as it is."""
    library = site.library
    entry = library.entry(library.resolve(identity))
    tags = {*entry.tags, *([add.strip()] if add and add.strip() else [])} - {remove}
    said: dict[str, Any] = {"tags": sorted(tags)}
    if name is not None:
        said["name"] = name.strip() or None
    if rating is not None:
        said["rating"] = _rating(rating)
    if notes is not None:
        said["notes"] = notes.replace("\r\n", "\n")
    by_htmx, problem = request.headers.get("HX-Request") == "true", None
    try:
        entry = library.annotate(entry.id, **said)
    except InvalidInputError as error:
        if not by_htmx:
            raise
        problem = str(error)
    if not by_htmx:
        return RedirectResponse(site.links.vector(entry.id), 303)
    status = 422 if problem else 200
    return site.page("vector_annotation.html", status, entry=entry, problem=problem, saved=not problem)


def vector_context(site: Site, identity: str) -> dict[str, Any]:
    """What the page of a vector shows."""
    library = site.library
    vector, entry = library[identity], library.entry(identity)
    steps, channels = vector.shape[:2]
    counts, energy, planes = vector.counts(), vector.energy(), activity(vector, "step")
    support = 100 * counts * steps / vector.packed.size
    weights = np.sqrt((activity(vector, "channel") ** 2).sum(axis=(1, 2)))
    where = library.where if site.live else "my-vectors"  # an exported page must not tell others a path
    return {
        "entry": entry,
        "vector": vector,
        "preview": _preview_problem(vector),
        "problem": None,
        "saved": False,
        "map": {"columns": columns(steps), "width": planes.shape[2], "height": planes.shape[1], "steps": steps},
        "plots": [
            plot("Energy: the norm of m in each step", [("energy", energy.tolist())]),
            plot("Support: the share of entries that are kept, in %", [("support", support.tolist())]),
        ],
        "guided": _guided(vector),
        "rows": list(zip(vector.timesteps, vector.sigmas, counts, energy, strict=True))[:MAX_ROWS],
        "rows_left": max(0, steps - MAX_ROWS),
        "channels": [
            (channel, float(weight / (weights.max() or 1)), float(weight)) for channel, weight in enumerate(weights)
        ],
        "channels_left": channels - len(weights),
        "histogram": histogram(widen(vector.values, vector.dtype)),
        "provenance": provenance(vector),
        "file": file_facts(site, vector),
        "verification": library.verify([identity]) if site.live else None,
        "noise_held": noise_is_held(site, vector.provenance.noise.sha256),
        "record": record_again(vector, where),
        "apply": apply_it(vector, library.short(identity), where),
        "exports": EXPORTS,
    }


def provenance(vector: GuidanceVector) -> list[tuple[str, Mapping[str, object]]]:
    """Where a vector comes from, in the field's words, in groups."""
    concept, facts = vector.concept, vector.provenance
    run, noise, scheduler = facts.run, facts.noise, facts.scheduler
    edit = {name: value for name, value in concept.to_json().items() if name != "text"}
    if edit["edit_cooldown_steps"] is None:
        edit["edit_cooldown_steps"] = "never"
    momentum = {"edit_momentum_scale": run.edit_momentum_scale, "edit_mom_beta": run.edit_mom_beta}
    call = {
        **{name: getattr(run, name) for name in ("prompt", "negative_prompt", "guidance_scale", "num_inference_steps")},
        "guided": "by its own concepts" if run.guide else "by nothing: observed on the plain run",
        "companions": ", ".join(companion.text for companion in run.companions) or None,
        **run.arguments,
    }
    return [
        ("Concept", {"concept": concept.text, **edit, **momentum}),
        ("Run", call),
        ("Initial noise", {"sha256": noise.sha256, "seed": noise.seed, "device": noise.device, "dtype": noise.dtype}),
        ("Model", facts.model.to_json()),
        ("Scheduler", {"name": scheduler.name, "prediction_type": scheduler.prediction_type, **scheduler.config}),
        ("Origin", {"created": facts.created, "derived_from": ", ".join(facts.derived_from) or None, **facts.versions}),
    ]


def file_facts(site: Site, vector: GuidanceVector) -> Mapping[str, object]:
    """Facts about a vector's file."""
    entry = site.library.entry(vector.id)
    dense = vector.packed.size * vector.values.itemsize
    return {
        "id": vector.id,
        "recipe": vector.recipe,
        "content": vector.content,
        "shape": " × ".join(map(str, vector.shape)),
        "dtype": vector.dtype,
        "entries kept": f"{vector.nnz:,} of {vector.packed.size:,} ({vector.nnz / vector.packed.size:.1%})",
        "size": f"{size(entry.bytes)}, {entry.bytes / dense:.1%} of {size(dense)} dense",
        **({"file": site.library.location_of(vector.id)} if site.live else {}),
    }


def _preview_problem(vector: GuidanceVector) -> str | None:
    """Why the pictures before and after aren't shown; None if they are."""
    if vector.preview is None:
        return "It was recorded without pictures before and after."
    try:
        for encoded in (vector.preview.before, vector.preview.after):
            decode(encoded)
    except InvalidInputError as error:
        return str(error)
    return None


def _guided(vector: GuidanceVector) -> tuple[float, float]:
    """Where the recorded parameters begin and end to guide, 0 to 100."""
    concept, steps = vector.concept, vector.shape[0]
    end = steps if concept.edit_cooldown_steps is None else min(concept.edit_cooldown_steps, steps)
    start = min(concept.warmup, end)
    return place(start - 0.5, steps), place(end - 0.5, steps)


def _rating(text: str) -> int | None:
    if text in ("", "0"):
        return None
    if text not in tuple("12345"):
        raise InvalidInputError(f"A rating must be from 1 to 5, met {text!r}.")
    return int(text)
