"""The page that applies vectors to prompts."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response

from sega_cli.browse.jobs.orders import MOST_VECTORS, STRIP, ApplyOrder
from sega_cli.browse.parts.compatible import Candidate, candidates, unfit
from sega_cli.browse.parts.fields import Fields, FieldsOf
from sega_cli.browse.parts.sliders import Slider, edit_of, moved_to, sliders
from sega_cli.browse.site import Site, SiteOf
from sega_cli.browse.studio import StudioOf, submitted
from sega_cli.generating.defaults import defaults_of
from sega_store import GuidanceVector, InvalidInputError
from sega_store.records.edit_parameters import OF_RUN

router = APIRouter()

MOMENTUM = [parameter.name for parameter in OF_RUN]
PAIR = (0.0, 1.0)

Ids = Annotated[Sequence[str], Query(max_length=4 * MOST_VECTORS)]


@router.get("/apply")
def page(site: SiteOf, studio: StudioOf, id: Ids = (), job: int | None = None) -> HTMLResponse:
    """The form, with the vectors that the address names, or filled in as it was for a job."""
    order = None if job is None else studio.ordered(job, ApplyOrder)
    picked, misfits = _picked(site, order.vectors if order else id)
    edits = dict(zip(order.vectors, order.edits, strict=True)) if order else {}
    momentum = {name: value for edit in edits.values() for name, value in edit.items() if name in MOMENTUM}
    return site.page(
        "apply.html",
        picked=[_card(site, vector, edits.get(vector.id, {})) for vector in picked],
        misfits=misfits,
        candidates=candidates(site.library, picked),
        momentum=OF_RUN,
        recorded=picked[0].provenance.run if picked else None,
        prompts="\n".join(order.prompts) if order else "",
        factors=order.factors if order else PAIR,
        given={**momentum, **order.run} if order else {},
        current="/apply",
    )


@router.get("/apply/compatible")
def more_vectors(site: SiteOf, id: Ids = (), q: str = "") -> HTMLResponse:
    """The part of the page that lists vectors to add."""
    picked, _ = _picked(site, id)
    ids = [vector.id for vector in picked]
    return site.page("compatible.html", candidates=candidates(site.library, picked, q), ids=ids)


@router.get("/apply/vectors/{identity}")
def card(site: SiteOf, identity: str) -> HTMLResponse:
    """The part of the form for one vector."""
    vector = site.library[identity]
    return site.page("apply_vector.html", headers={"HX-Trigger-After-Swap": "picked"}, **_card(site, vector))


@router.post("/apply")
def submit(request: Request, site: SiteOf, studio: StudioOf, sent: FieldsOf) -> Response:
    vectors = [site.library[ref] for ref in sent.texts("id")[: MOST_VECTORS + 1]]
    for vector in vectors:
        if reason := unfit(site.library, site.library.entry(vector.id), vectors[0]):
            raise InvalidInputError(
                "vectors that are applied together must share noise, shape and architecture; take out"
                f" {vector.concept.text!r}: {reason}."
            )
    made = [_sliders(vector) for vector in vectors]
    columns = [sent.numbers(slider.name, len(vectors)) for slider in made[0]] if made else []
    momentum = {name: value for name in MOMENTUM if (value := sent.number(name)) is not None}
    edits = [{**edit_of(own, values), **momentum} for own, values in zip(made, zip(*columns, strict=True), strict=True)]
    factors = STRIP if sent.text("strip") else PAIR if sent.text("plain") else (1.0,)
    ids = [vector.id for vector in vectors]
    order = ApplyOrder(ids, edits, sent.lines("prompts"), factors, run_of(sent))
    return submitted(request, studio.queue.submit(order))


def run_of(sent: Fields) -> dict[str, Any]:
    """The arguments of the pipeline's call that a form gives."""
    run = {
        "num_inference_steps": sent.whole("num_inference_steps"),
        "guidance_scale": sent.number("guidance_scale"),
        "negative_prompt": sent.text("negative_prompt") or None,
    }
    return {name: value for name, value in run.items() if value is not None}


def _picked(site: Site, refs: Sequence[str]) -> tuple[list[GuidanceVector], list[Candidate]]:
    """The vectors that can be applied with the first, and the others, each with the reason why it can't."""
    picked: list[GuidanceVector] = []
    misfits: list[Candidate] = []
    for ref in dict.fromkeys(refs):
        entry = site.library.entry(ref)
        reason = unfit(site.library, entry, picked[0] if picked else None)
        if not reason and len(picked) == MOST_VECTORS:
            reason = f"at most {MOST_VECTORS} vectors can be applied together"
        if reason:
            misfits.append(Candidate(entry, reason))
        else:
            picked.append(site.library[entry.id])
    return picked, misfits


def _sliders(vector: GuidanceVector) -> list[Slider]:
    return sliders(vector.concept, vector.shape[0], keep=True)


def _card(site: Site, vector: GuidanceVector, edit: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """What `apply_vector.html` shows."""
    entry = site.library.entry(vector.id)
    advice = defaults_of(vector.provenance.model.id).apply_scale
    return {"entry": entry, "sliders": moved_to(_sliders(vector), edit), "advice": advice}
