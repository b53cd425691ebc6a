"""The application: the guard, the pages, and how errors are shown."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from sega_cli.browse.jobs.orders import MOST_VECTORS
from sega_cli.browse.jobs.queue import BusyError, JobQueue
from sega_cli.browse.jobs.streams import TooManyStreamsError
from sega_cli.browse.pages import apply, compare, gallery, job, noise, pictures, record, vector
from sega_cli.browse.security import Access, Guard
from sega_cli.browse.site import Action, Extension, Site
from sega_cli.browse.studio import Studio
from sega_store import InvalidInputError, Library, LibraryError, RefError, SegaError, VectorFileError

STATIC = Path(str(files("sega_cli.browse"))) / "static"

_TITLES: dict[type[SegaError], tuple[int, str]] = {
    RefError: (404, "There is no such vector"),
    VectorFileError: (422, "This file is damaged"),
    InvalidInputError: (422, "That isn't valid"),
    LibraryError: (503, "The library can't be read"),
    BusyError: (429, "There is enough to do already"),
    TooManyStreamsError: (429, "Too many pages are open"),
}


def create_app(library: Library, access: Access, extensions: Sequence[Extension] = ()) -> FastAPI:
    """The pages of a library.

    Args:
        library: The library.
        access: Who may use them.
        extensions: Further pages.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, middleware=[Middleware(Guard, access=access)])
    app.state.site = Site(library, extensions=extensions)
    app.state.ending = lambda: False  # the server replaces it; streams end when it is true
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    own = (gallery, vector, compare, noise, pictures)
    for router in (*(page.router for page in own), *(extension.router for extension in extensions)):
        app.include_router(router)
    app.add_exception_handler(SegaError, _refuse)
    app.add_exception_handler(HTTPException, _refuse)
    return app


def create_studio(queue: JobQueue, pictures: Path | None = None) -> Studio:
    """The pages that apply and record, as an extension of the application.

    Args:
        queue: The queue that works on orders.
        pictures: The folder for pictures that people keep; None: they can only be downloaded.
    """
    router = APIRouter()
    for page in (apply, record, job):
        router.include_router(page.router)
    return Studio(
        router,
        navigation=(("Apply", "/apply"), ("Record", "/record"), ("Jobs", "/jobs")),
        actions=(Action("Apply", "/apply", MOST_VECTORS),),
        noise_actions=(("Record from it", "/record"),),
        queue=queue,
        pictures=pictures,
    )


def _refuse(request: Request, error: Exception) -> Response:
    """An error as a page, or as a message where htmx asked for a part of one."""
    if isinstance(error, HTTPException):
        missing = error.status_code == 404
        status, title = error.status_code, "There is no such page" if missing else "That isn't possible"
        message = "" if missing else str(error.detail)
    else:
        found = (entry for kind, entry in _TITLES.items() if isinstance(error, kind))
        status, title = next(found, (500, "That didn't work"))
        message = str(error)
    part = request.headers.get("HX-Request") == "true"
    site: Site = request.app.state.site
    return site.page("message.html" if part else "error.html", status, title=title, message=message)
