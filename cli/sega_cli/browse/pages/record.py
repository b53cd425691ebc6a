"""The page that records concepts on a prompt."""

from types import SimpleNamespace

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from sega_cli.browse.jobs.orders import MOST_CHARACTERS, RecordOrder
from sega_cli.browse.pages.apply import run_of
from sega_cli.browse.parts.fields import FieldsOf
from sega_cli.browse.parts.sliders import Slider, edit_of, moved_to, sliders
from sega_cli.browse.site import SiteOf
from sega_cli.browse.studio import StudioOf, submitted
from sega_cli.generating.defaults import defaults_of
from sega_store import Concept

router = APIRouter()

EMBEDDED = "embedded"
STEPS = 50  # the default of most of diffusers' pipelines
RECENT = 1000  # vectors whose noises and models are offered


@router.get("/record")
def page(site: SiteOf, studio: StudioOf, noise: str = "", job: int | None = None) -> HTMLResponse:
    """The form, with the noise that the address names, or filled in as it was for a job."""
    order: RecordOrder | SimpleNamespace = SimpleNamespace(prompt="", concepts=[], model=EMBEDDED, seed=0, run={})
    if job is not None:
        order = studio.ordered(job, RecordOrder)
        noise = order.noise or ""
    recent = site.library.search(limit=RECENT)
    noises = {entry.noise: entry.seed for entry in recent}
    if noise and noise not in noises:
        found = site.library.noise(noise)
        noises = {found.sha256: found.seed, **noises}
        noise = found.sha256
    return site.page(
        "record.html",
        order=order,
        models=list(dict.fromkeys((EMBEDDED, *(entry.model for entry in recent)))),
        noise=noise,
        noises=noises,
        sliders=_sliders(order.model, next(iter(order.concepts), None)),
        run=defaults_of(order.model).run,
        given=order.run,
        current="/record",
    )


@router.get("/record/parameters")
def parameters(site: SiteOf, model: str = EMBEDDED) -> HTMLResponse:
    """The part of the form that depends on the model."""
    return site.page("record_parameters.html", sliders=_sliders(model), run=defaults_of(model).run, given={})


@router.post("/record")
def submit(request: Request, studio: StudioOf, sent: FieldsOf) -> Response:
    model = sent.text("model") or EMBEDDED
    made = _sliders(model)
    edit = {**defaults_of(model).edit, **edit_of(made, [sent.numbers(slider.name, 1)[0] for slider in made])}
    concepts = [Concept(text[: MOST_CHARACTERS + 1], **edit) for text in sent.lines("concepts")]
    noise = sent.text("noise") if sent.text("start") == "noise" else None
    order = RecordOrder(sent.text("prompt"), concepts, model, sent.whole("seed") or 0, noise or None, run_of(sent))
    return submitted(request, studio.queue.submit(order))


def _sliders(model: str, moved: Concept | None = None) -> list[Slider]:
    """The sliders of a model's parameters, moved to those of a concept if one is given."""
    defaults = defaults_of(model)
    steps = int(defaults.run.get("num_inference_steps", STEPS))
    *made, _ = sliders(Concept("a concept", **defaults.edit), steps, keep=False)  # the last is the weight
    at = sliders(moved, steps, keep=False) if moved else made
    return moved_to(made, {slider.name: slider.value for slider in at})
