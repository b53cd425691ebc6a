"""The application: the guard, the pages, and how errors are shown."""

from pathlib import Path

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from sega_cli.browse.jobs.queue import BusyError
from sega_cli.browse.jobs.streams import TooManyStreamsError
from sega_cli.browse.pages import apply, compare, gallery, job, noise, pictures, record, vector
from sega_cli.browse.security import Access, Guard
from sega_cli.browse.site import Site
from sega_cli.browse.studio import Studio
from sega_store import InvalidInputError, Library, LibraryError, RefError, SegaError, VectorFileError

STATIC = Path(__file__).with_name("static")

_TITLES: dict[type[SegaError], tuple[int, str]] = {
    RefError: (404, "There is no such vector"),
    VectorFileError: (422, "This file is damaged"),
    InvalidInputError: (422, "That isn't valid"),
    LibraryError: (503, "The library can't be read"),
    BusyError: (429, "There is enough to do already"),
    TooManyStreamsError: (429, "Too many pages are open"),
}


def create_app(library: Library, access: Access, studio: Studio | None = None) -> FastAPI:
    """The pages of a library; without a studio there are none that apply and record."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, middleware=[Middleware(Guard, access=access)])
    app.state.site = Site(library, studio=studio)
    app.state.ending = lambda: False  # the server replaces it; streams end when it is true
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    generating = (apply, record, job) if studio else ()
    for page in (gallery, vector, compare, noise, pictures, *generating):
        app.include_router(page.router)
    app.add_exception_handler(SegaError, _refuse)
    app.add_exception_handler(HTTPException, _refuse)
    return app


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
