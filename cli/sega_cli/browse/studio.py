"""The studio: what the pages that generate share, namely the queue of jobs and the folder for pictures."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, TypeVar

from fastapi import Depends, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from sega_cli.browse.jobs.orders import MOST_VECTORS, ApplyOrder, RecordOrder
from sega_cli.browse.jobs.queue import Job, JobQueue
from sega_cli.browse.jobs.streams import Streams

_Order = TypeVar("_Order", ApplyOrder, RecordOrder)


@dataclass(frozen=True)
class Studio:
    """What the pages that generate share.

    Attributes:
        pictures: The folder for pictures that people keep; None offers only to download them.
        most_vectors: The most vectors that can be applied together.
    """

    queue: JobQueue
    pictures: Path | None = None
    streams: Streams = field(default_factory=Streams)
    most_vectors: ClassVar[int] = MOST_VECTORS

    def job(self, number: int) -> Job:
        """A job that is remembered; others are not found."""
        job = self.queue.find(number)
        if job is None:
            raise HTTPException(404)
        return job

    def ordered(self, number: int, kind: type[_Order]) -> _Order:
        """The order of a job; not found if the job is of another kind."""
        order = self.job(number).order
        if not isinstance(order, kind):
            raise HTTPException(404)
        return order


def studio_of(request: Request) -> Studio:
    """The studio of the site that answers; for FastAPI's `Depends`."""
    studio: Studio = request.app.state.site.studio
    return studio


StudioOf = Annotated[Studio, Depends(studio_of)]


def submitted(request: Request, job: Job) -> Response:
    """Leads a browser to a job's page, whether a form was sent by htmx or by the browser itself."""
    path = f"/jobs/{job.id}"
    if request.headers.get("HX-Request") == "true":
        return Response(status_code=204, headers={"HX-Redirect": path})
    return RedirectResponse(path, 303)
