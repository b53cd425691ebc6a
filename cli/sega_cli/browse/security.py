"""Who may use the pages: the middleware that every request passes before anything else sees it.

Every other page that is open in the browser can reach a server on this machine. So a request must name one of our own
hosts (a foreign name that was made to lead here is refused), a request that changes something must come from our own
pages, and our pages may load nothing from elsewhere and run only our own scripts. A server that other machines can
reach asks for a token as well.
"""

import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 1 << 20
TOO_LARGE = f"A request may carry {MAX_BODY_BYTES} bytes at most."
READING = ("GET", "HEAD")
METHODS = (*READING, "POST")
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
COOKIE = "sega_vec_token"
TOKEN_PARAMETER = "token"

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; connect-src 'self'; font-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; img-src 'self'; script-src 'self'; style-src 'self'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that is bound to a host."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class Access:
    """Who may use the pages.

    Attributes:
        hosts: What the header `Host` may say, with the port, in lower case.
        token: The token that a browser must show once; None: no token is needed.
    """

    hosts: frozenset[str]
    token: str | None = None

    @classmethod
    def to(cls, host: str, port: int, names: Iterable[str] = ()) -> "Access":
        """Access to a server that is bound to a host and port, and to its other names, each with its port.

        There is a token unless the host is a loopback address.
        """
        own = {f"{name}:{port}" for name in (*LOOPBACK_NAMES, f"[{host}]" if ":" in host else host)}
        token = None if is_loopback(host) else secrets.token_urlsafe(24)
        return cls(frozenset({*own, *(name.lower() for name in names)}), token)


class Guard:
    """The middleware that guards an application."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks WebSocket
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope) or self._introduction(scope)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        await self.app(scope, self._limited(receive), send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self.access.hosts:
            return PlainTextResponse(
                "This server answers to its own names only. If you reach it by another, such as that of a tunnel, start"
                " it with --trusted-host NAME:PORT.",
                421,
            )
        if scope["method"] not in METHODS:
            return PlainTextResponse("Only GET, HEAD and POST are known here.", 405, {"Allow": ", ".join(METHODS)})
        if scope["method"] not in READING and not _from_our_pages(headers, hosts[0].lower()):
            return PlainTextResponse("Changes are accepted from this server's own pages only.", 403)
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            return PlainTextResponse("Content-Length must be a number.", 400)
        return PlainTextResponse(TOO_LARGE, 413) if int(length) > MAX_BODY_BYTES else None

    def _introduction(self, scope: Scope) -> Response | None:
        """The answer to a browser that has not shown the token yet."""
        if self.access.token is None:
            return None
        request = HTTPConnection(scope)
        query = request.query_params
        if scope["method"] in READING and self._is_token(query.get(TOKEN_PARAMETER, "")):
            rest = urlencode([(name, value) for name, value in query.multi_items() if name != TOKEN_PARAMETER])
            path = "/" + scope["path"].lstrip("/")
            answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
            answer.set_cookie(COOKIE, self.access.token, httponly=True, samesite="strict", path="/")
            return answer
        if self._is_token(request.cookies.get(COOKIE, "")):
            return None
        return PlainTextResponse("Open the address that sega-vec browse printed: it carries a token.", 401)

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), (self.access.token or "").encode())

    def _limited(self, receive: Receive) -> Receive:
        """Receives no more than the limit, even if a request doesn't say its length."""
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise HTTPException(413, TOO_LARGE)  # code that reads a body doesn't catch this one
            return message

        return limited


def _from_our_pages(headers: Headers, host: str) -> bool:
    """Whether a browser says that a page of ours sent a request; other pages can't make it say so."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site") == "same-origin"
    parts = urlsplit(origin.lower())
    return parts.scheme in ("http", "https") and parts.netloc == host
