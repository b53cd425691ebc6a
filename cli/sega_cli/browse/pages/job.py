"""A job's page: its progress, its pictures, and how it ended."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from sega_cli.browse.jobs.messages import Made
from sega_cli.browse.jobs.orders import ApplyOrder
from sega_cli.browse.jobs.queue import Job, JobQueue
from sega_cli.browse.site import Site, SiteOf
from sega_cli.browse.studio import Studio, StudioOf
from sega_cli.generating.picture import prepare_folder, write_png
from sega_store import LibraryError

router = APIRouter()


def job_of(number: int, studio: StudioOf) -> Job:
    """The job of an address."""
    return studio.job(number)


JobOf = Annotated[Job, Depends(job_of)]


@router.get("/jobs")
def jobs(site: SiteOf, studio: StudioOf) -> HTMLResponse:
    """All jobs that are remembered."""
    remembered = studio.queue.list()
    titles = _titles(site, remembered)
    return site.page("jobs.html", jobs=list(zip(remembered, titles, strict=True)), current="/jobs")


@router.get("/jobs/{number}")
def page(site: SiteOf, studio: StudioOf, job: JobOf) -> HTMLResponse:
    return site.page("job.html", **_context(site, studio, job))


@router.get("/jobs/{number}/outcome")
def outcome(site: SiteOf, studio: StudioOf, job: JobOf) -> HTMLResponse:
    """The part of the page that tells how the job ended."""
    return site.page("job_outcome.html", **_context(site, studio, job))


@router.get("/jobs/{number}/events")
async def events(request: Request, studio: StudioOf, job: JobOf) -> StreamingResponse:
    """The job's progress, as it changes."""
    studio.streams.check()
    return StreamingResponse(
        studio.streams.events(lambda: (_document(studio.queue, job), job.progress.over), request.app.state.ending),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


@router.get("/jobs/{number}/live")
def live(job: JobOf) -> Response:
    """The unfinished picture, as far as it is known."""
    if job.progress.live is None:
        raise HTTPException(404)
    return Response(job.progress.live.data, media_type="image/webp")


@router.get("/jobs/{number}/pictures/{shot}.png")
def picture(job: JobOf, shot: int, download: bool = False) -> Response:
    """A picture with its provenance."""
    made = _made(job, shot)
    headers = {"Cache-Control": "private, max-age=3600"}
    if download:
        ascii_name = made.name.encode("ascii", "replace").decode().replace("?", "-").replace('"', "-")
        headers["Content-Disposition"] = f'attachment; filename="{ascii_name}"'
    return Response(made.png, media_type="image/png", headers=headers)


@router.post("/jobs/{number}/cancel")
def cancel(request: Request, studio: StudioOf, job: JobOf) -> Response:
    studio.queue.cancel(job)
    if request.headers.get("HX-Request") == "true":
        return Response(status_code=204)
    return RedirectResponse(f"/jobs/{job.id}", 303)


@router.post("/jobs/{number}/pictures/{shot}/keep")
def keep(request: Request, site: SiteOf, studio: StudioOf, job: JobOf, shot: int) -> Response:
    """Write a picture to the folder for kept pictures."""
    made = _made(job, shot)
    if studio.pictures is None:
        raise HTTPException(404)
    try:
        path = write_png(prepare_folder(studio.pictures), made.png, made.name)
    except OSError as error:
        raise LibraryError(
            f"{studio.pictures}: {error.strerror or error}. Make room or start with another --pictures folder;"
            " the picture can still be downloaded."
        ) from error
    if request.headers.get("HX-Request") == "true":
        return site.page("job_kept.html", path=str(path))
    return RedirectResponse(f"/jobs/{job.id}", 303)


def _made(job: Job, shot: int) -> Made:
    made = job.progress.pictures.get(shot)
    if made is None:
        raise HTTPException(404)
    return made


def _titles(site: Site, jobs: Sequence[Job]) -> list[str]:
    """What each job does, in a few words."""
    orders = [job.order for job in jobs]
    ids = [identity for order in orders if isinstance(order, ApplyOrder) for identity in order.vectors]
    entries = site.library.catalogue.entries(ids)
    return [
        "Apply " + " + ".join(entries[i].concept if i in entries else i[:8] for i in order.vectors)
        if isinstance(order, ApplyOrder)
        else "Record " + " + ".join(concept.text for concept in order.concepts)
        for order in orders
    ]


def _context(site: Site, studio: Studio, job: Job) -> dict[str, Any]:
    """What `job.html` shows."""
    order, progress = job.order, job.progress
    form = "/apply" if isinstance(order, ApplyOrder) else "/record"
    entries = site.library.catalogue.entries(progress.kept)
    prompts = {
        prompt: [(index, shot) for index, shot in enumerate(order.shots) if shot.prompt == prompt]
        for prompt in dict.fromkeys(shot.prompt for shot in order.shots)
    }
    return {
        "job": job,
        "progress": progress,
        "title": _titles(site, [job])[0],
        "again": f"{form}?job={job.id}",
        "kept": [entries[identity] for identity in progress.kept if identity in entries],
        "prompts": prompts,
        "document": _document(studio.queue, job),
        "keeps": studio.pictures is not None,
        "current": "/jobs",
    }


def _document(queue: JobQueue, job: Job) -> dict[str, Any]:
    """What a page needs to know to show the job as it is now."""
    progress = job.progress
    shots = len(job.order.shots)
    part = (progress.runs - 1 + progress.done / progress.count) / shots if progress.count else 0.0
    return {
        "state": progress.state,
        "text": _text(queue, job),
        "part": 1.0 if progress.over else round(part, 4),
        "shot": progress.shot,
        "live": None if progress.live is None else [progress.live.shot, progress.version],
        "pictures": sorted(progress.pictures),
    }


def _text(queue: JobQueue, job: Job) -> str:
    """How far the job is, in a line."""
    progress, shots = job.progress, len(job.order.shots)
    if progress.state == "queued":
        ahead = queue.ahead(job)
        return "Next in the queue" if ahead <= 1 else f"Waiting for {ahead} other jobs"
    if progress.state != "running":
        return {"done": "Done", "failed": "Failed", "cancelled": "Cancelled"}[progress.state]
    if job.cancelling:
        return "Cancelling"
    if progress.shot is None:
        return {
            "": "Starting",
            "starting": "Starting the process that generates",
            "loading the model": "Loading the model",
        }[progress.doing]
    return f"Picture {progress.runs} of {shots}, step {progress.done} of {progress.count}"
