"""Apply and record: the pages that generate."""

from pathlib import Path

from fastapi import APIRouter

from sega_cli.browse import apply_page, job_pages, record_page
from sega_cli.browse.generation import Generation
from sega_cli.browse.jobs import JobQueue
from sega_cli.browse.orders import MOST_VECTORS
from sega_cli.browse.site import Action


def generation(queue: JobQueue, pictures: Path | None = None) -> Generation:
    """The pages as an extension of the site.

    Args:
        queue: What works on orders.
        pictures: The folder for pictures that people keep; None offers only to download them.
    """
    router = APIRouter()
    for pages in (apply_page, record_page, job_pages):
        router.include_router(pages.router)
    return Generation(
        router,
        navigation=(("Apply", "/apply"), ("Record", "/record"), ("Jobs", "/jobs")),
        actions=(Action("Apply", "/apply", MOST_VECTORS),),
        noise_actions=(("Record from it", "/record"),),
        queue=queue,
        pictures=pictures,
    )
