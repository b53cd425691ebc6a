"""The pages over a real library: a server in a thread, and a real browser."""

import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import uvicorn

from sega_cli.browse.app import create_app
from sega_cli.browse.security import Access
from sega_cli.browse.server import bind
from sega_cli.browse.studio import Studio
from sega_store import Library

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.data.decode()


@dataclass(frozen=True)
class Served:
    """A server.

    Attributes:
        address: Without a slash at the end.
        access: Who may use it.
        library: What it shows.
    """

    address: str
    access: Access
    library: Library

    @property
    def host(self) -> str:
        """Its name with the port."""
        return self.address.removeprefix("http://")

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
        """Asks as any program may; an underscore in a header's name stands for a hyphen."""
        connection = HTTPConnection(self.host, timeout=60)
        with closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def post(self, path: str, **fields: str) -> Reply:
        """Sends a form as a page of ours does."""
        body = urlencode(fields).encode()
        kind = "application/x-www-form-urlencoded"
        return self.ask(path, "POST", body, Content_Type=kind, Origin=self.address, HX_Request="true")


@contextmanager
def served(library: Library, studio: Studio | None = None, token: str | None = None) -> Iterator[Served]:
    """Serves a library's pages on a free port of the loopback."""
    with closing(bind("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
        access = Access(Access.to("127.0.0.1", port).hosts, token)
        app = create_app(library, access, studio)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, server_header=False))
        app.state.ending = lambda: server.should_exit
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            yield Served(f"http://127.0.0.1:{port}", access, library)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def launch(playwright: "Playwright") -> "Iterator[Browser]":
    """Chromium without a window; root needs it without its sandbox."""
    rights = ["--no-sandbox"] if os.geteuid() == 0 else []
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=rights)
    try:
        yield browser
    finally:
        browser.close()
