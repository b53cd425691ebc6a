"""The gallery: all vectors of the library."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import HTMLResponse

from sega_cli.browse.site import Site, site_of

router = APIRouter()


@router.get("/")
def gallery(site: Annotated[Site, Depends(site_of)], q: str = "") -> HTMLResponse:
    """The newest vectors."""
    return site.page("gallery.html", entries=site.library.search(q, limit=48), q=q)
