"""The pages over a library of many vectors: the server's time, and the time until Chromium shows the first tile."""

import os
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks.scale import fill
from benchmarks.timing import Row
from sega_store import Library
from sega_store.places.folder_index import SETTLED_NS
from tests.cli.browse.serving import CHROMIUM, Served, launch, served

ROUNDS = 15
PAGES = {
    "the gallery": "/",
    "by rating": "/?sort=rating",
    "a search with few hits": "/?q=word77",
    "a search that all have": "/?q=portrait",
    "a concept": "/?concept=concept+3",
    "groups by concept": "/?group=concept",
}
SEEN = {name: PAGES[name] for name in ("the gallery", "a search that all have")}
FIRST_TILE = """new Promise((seen) => {
    const picture = document.querySelector('.tile .over');
    const tell = () => requestAnimationFrame(() => seen(performance.now()));
    picture.complete ? tell() : picture.addEventListener('load', tell);
})"""


def browse(vectors: int) -> list[Row]:
    """The median milliseconds of some pages, and from opening one to its first tile with the picture in it."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SEGA_VEC_CACHE"] = f"{folder}/cache"
        library = Library(Path(folder, "library"))
        fill(library, 0, vectors)
        time.sleep(SETTLED_NS / 1e9)
        library.catalogue.refresh()
        with served(library) as site:
            answers = {
                name: statistics.median(answered(site, path) for _ in range(ROUNDS)) for name, path in PAGES.items()
            }
            rows = [Row(f"{vectors:,} vectors: {name}, answered, ms", ms, 300) for name, ms in answers.items()]
            if CHROMIUM is None:
                return rows
            with sync_playwright() as playwright, launch(playwright) as chromium:
                for name, path in SEEN.items():
                    ms = statistics.median(seen(chromium, site, path) for _ in range(ROUNDS))
                    rows.append(
                        Row(f"{vectors:,} vectors: {name}, until the first tile is seen in Chromium, ms", ms, 300)
                    )
            return rows


def answered(site: Served, path: str) -> float:
    """Milliseconds until a page is there."""
    start = time.perf_counter()
    if site.ask(path).status != 200:
        raise RuntimeError(f"{path} isn't answered")
    return (time.perf_counter() - start) * 1e3


def seen(chromium: Browser, site: Served, path: str) -> float:
    """Milliseconds from the start of a navigation until the first tile is drawn with its picture."""
    page = chromium.new_page(base_url=site.address)
    page.goto(path, wait_until="domcontentloaded")
    milliseconds = float(page.evaluate(FIRST_TILE))
    page.close()
    return milliseconds
