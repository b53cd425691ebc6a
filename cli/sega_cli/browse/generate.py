"""Apply and record: the pages that generate."""

from pathlib import Path

from fastapi import APIRouter

from sega_cli.browse.jobs.generation import Generation
from sega_cli.browse.jobs.orders import MOST_VECTORS
from sega_cli.browse.jobs.queue import JobQueue
from sega_cli.browse.pages import apply as apply_page
from sega_cli.browse.pages import job as job_pages
from sega_cli.browse.pages import record as record_page
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
