"""The studio: what the pages that generate share, namely the queue of jobs and the folder for pictures."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar

from fastapi import Depends, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from sega_cli.browse.jobs.orders import ApplyOrder, RecordOrder
from sega_cli.browse.jobs.queue import Job, JobQueue
from sega_cli.browse.jobs.streams import Streams
from sega_cli.browse.site import Extension, site_of

_Order = TypeVar("_Order", ApplyOrder, RecordOrder)


@dataclass(frozen=True)
class Studio(Extension):
    """The pages that generate, as an extension of the site.

    Attributes:
        queue: The jobs.
        pictures: The folder for pictures that people keep; None offers only to download them.
        streams: The event streams that are open.
    """

    queue: JobQueue = field(kw_only=True)
    pictures: Path | None = field(default=None, kw_only=True)
    streams: Streams = field(default_factory=Streams, kw_only=True)

    def ordered(self, number: int, kind: type[_Order]) -> _Order:
        """The order of a job; not found if the job is of another kind."""
        job = self.queue.find(number)
        if job is None or not isinstance(job.order, kind):
            raise HTTPException(404)
        return job.order


def studio_of(request: Request) -> Studio:
    """The extension of the site that answers; for FastAPI's `Depends`."""
    return next(extension for extension in site_of(request).extensions if isinstance(extension, Studio))


StudioOf = Annotated[Studio, Depends(studio_of)]


def submitted(request: Request, job: Job) -> Response:
    """Leads a browser to a job's page, whether a form was sent by htmx or by the browser itself."""
    path = f"/jobs/{job.id}"
    if request.headers.get("HX-Request") == "true":
        return Response(status_code=204, headers={"HX-Redirect": path})
    return RedirectResponse(path, 303)
