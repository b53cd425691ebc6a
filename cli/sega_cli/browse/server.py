"""The server: one process, which answers until it is interrupted."""

import socket
from collections.abc import Callable, Iterable
from contextlib import closing

import uvicorn

from sega_cli.browse.app import create_app
from sega_cli.browse.security import TOKEN_PARAMETER, Access
from sega_cli.browse.studio import Studio
from sega_store import InvalidInputError, Library

BACKLOG = 128


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens at a host and port.

    Raises:
        InvalidInputError: The address is taken, or isn't one of this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(BACKLOG)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise InvalidInputError(
            f"--host {host} --port {port} can't be served: {error.strerror or error}. Choose another port, such as"
            " --port 0 for a free one, and an address of this machine."
        ) from error
    return bound


def serve(
    library: Library,
    host: str,
    port: int,
    names: Iterable[str] = (),
    ready: Callable[[str], object] = lambda _: None,
    studio: Studio | None = None,
) -> None:
    """Serves the pages of a library until the process is interrupted.

    Args:
        port: The port; 0 for a free one.
        names: Other names of the server, each with its port.
        ready: Called with the address to open.
        studio: What the pages that generate share; None: there are no such pages.

    Raises:
        InvalidInputError: The address is taken, or isn't one of this machine's.
    """
    with closing(bind(host, port)) as bound:
        number = int(bound.getsockname()[1])
        access = Access.to(host, number, names)
        app = create_app(library, access, studio)
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, proxy_headers=False)
        )
        app.state.ending = lambda: server.should_exit
        shown = f"[{host}]" if ":" in host else host
        token = f"?{TOKEN_PARAMETER}={access.token}" if access.token else ""
        ready(f"http://{shown}:{number}/{token}")
        server.run(sockets=[bound])
