"""A few vectors that were really recorded, the server over them, and Debian's Chromium."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from sega_cli.main import main
from sega_store import Library
from tests.cli.browse.serving import CHROMIUM, Served, launch, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

RUNS = (
    ("a portrait of a man", ("glasses", "hat"), "21"),
    ("a pencil drawing of a king", ("beard",), "21"),
    ("a portrait of a man", ("glasses",), "22"),
)
STEPS = "8"


@pytest.fixture(scope="session")
def recorded_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a library of four vectors of the embedded model, recorded once for all processes of a test run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder = shared / "browsed"
    with (shared / "browsed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            draft = shared / "browsed.draft"
            for prompt, concepts, seed in RUNS:
                names = [part for concept in concepts for part in ("--concept", concept)]
                CliRunner(env={"SEGA_VEC_CACHE": str(shared / "browsed.cache")}).invoke(
                    main,
                    ["record", prompt, *names, "--seed", seed, "--steps", STEPS, "--library", str(draft)],
                    catch_exceptions=False,
                )
            draft.rename(folder)
    return folder


@pytest.fixture
def shown(recorded_once: Path, folder: Path) -> Library:
    """A copy of that library, as the default one of the test's own folder."""
    shutil.copytree(recorded_once, folder / "library")
    return Library(folder / "library")


@pytest.fixture
def site(shown: Library) -> Iterator[Served]:
    """The pages of that library."""
    with served(shown) as server:
        yield server


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where screenshots go: SEGA_VEC_SCREENSHOTS, or a folder of the test."""
    folder = Path(os.environ.get("SEGA_VEC_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    """Chromium without a window; the test is skipped where there is none."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: install Debian's package chromium, as `make test` does where it may")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, launch(playwright) as browser:
        yield browser


def _complains(message: "ConsoleMessage") -> bool:
    """Whether something is wrong; that a form was refused is what a test wants to see."""
    refused = any(f"the server responded with a status of {status} " in message.text for status in (422, 429))
    return message.type in ("error", "warning") and not refused


@pytest.fixture
def page(chromium: "Browser", site: Served) -> "Iterator[Page]":
    """A fresh page; at the end nothing may have gone wrong in it, and nothing may have left the machine."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, base_url=site.address)
    context.set_default_timeout(10_000)
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda message: wrong.append(message.text) if _complains(message) else None)
    opened.on("request", lambda request: None if request.url.startswith(site.address) else wrong.append(request.url))
    yield opened
    context.close()
    assert not wrong
