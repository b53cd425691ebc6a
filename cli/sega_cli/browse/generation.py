"""The pages that generate, as an extension of the site: the queue that they share, and where pictures are kept."""

from dataclasses import dataclass, field
from pathlib import Path

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from sega_cli.browse.jobs import Job, JobQueue
from sega_cli.browse.site import Extension, site_of
from sega_cli.browse.streams import Streams


@dataclass(frozen=True)
class Generation(Extension):
    """The extension.

    Attributes:
        queue: What is generated.
        pictures: The folder for pictures that people keep; None offers only to download them.
        streams: The event streams that are open.
    """

    queue: JobQueue = field(kw_only=True)
    pictures: Path | None = field(default=None, kw_only=True)
    streams: Streams = field(default_factory=Streams, kw_only=True)


def generation_of(request: Request) -> Generation:
    """The extension of the site that answers; for FastAPI's `Depends`."""
    return next(extension for extension in site_of(request).extensions if isinstance(extension, Generation))


def submitted(request: Request, job: Job) -> Response:
    """Leads a browser to a job's page, whether a form was sent by htmx or by the browser itself."""
    path = f"/jobs/{job.id}"
    if request.headers.get("HX-Request") == "true":
        return Response(status_code=204, headers={"HX-Redirect": path})
    return RedirectResponse(path, 303)
