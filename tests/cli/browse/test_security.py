"""Attacks: foreign names, foreign pages, oversize bodies, missing and guessed tokens."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sega_cli.browse.security import COOKIE, MAX_BODY_BYTES, Access, is_loopback
from sega_store import Library
from tests.cli.browse.serving import Served, served
from tests.cli.samples import make_noise, make_vector

TOKEN = "a-token-for-the-test"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """A library with `glasses` and `smile` from seed 21, for all tests of this module."""
    folder = tmp_path_factory.mktemp("security")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGA_VEC_CACHE", str(folder / "cache"))
        library = Library(folder / "library")
    for text in ("glasses", "smile"):
        library.add(make_vector(text), make_noise(21))
    return library


@pytest.fixture(scope="module")
def bare(kept: Library) -> Iterator[Served]:
    """The pages of that library."""
    with served(kept) as server:
        yield server


@pytest.fixture(scope="module")
def guarded(kept: Library) -> Iterator[Served]:
    """The same behind a token."""
    with served(kept, token=TOKEN) as server:
        yield server


def annotation(site: Served) -> str:
    return f"/vectors/{site.library.resolve('glasses')}/annotation"


def test_every_answer_carries_the_policy(bare: Served) -> None:
    for path in ("/", "/static/app.css", "/nowhere", f"/pictures/{bare.library.resolve('glasses')}/acts.png"):
        headers = bare.ask(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "content-security-policy" in bare.ask("/", Host="evil.example").headers


def test_no_page_has_scripts_or_styles_of_its_own(bare: Served) -> None:
    identity = bare.library.resolve("glasses")
    other = bare.library.resolve("smile")
    noise = bare.library.entry(identity).noise
    for path in (
        "/",
        "/?group=noise",
        f"/vectors/{identity}",
        f"/compare?id={identity}&id={other}",
        f"/noises/{noise}",
    ):
        page = bare.ask(path)
        assert page.status == 200, page.text
        assert " style=" not in page.text
        assert "<style" not in page.text
        assert " on" not in {part[:3] for part in page.text.split("<")}
        assert all('src="/static/' in part[:60] for part in page.text.split("<script")[1:])


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "localhost.evil:80", ""]
)
def test_a_foreign_host_is_refused(bare: Served, host: str) -> None:
    assert bare.ask("/", Host=host).status in (400, 421)
    assert b"glasses" not in bare.ask("/", Host=host).data


def test_own_hosts_are_known(bare: Served) -> None:
    port = bare.host.rpartition(":")[2]
    for name in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        assert bare.ask("/", Host=f"{name}:{port}").status == 200


def test_two_hosts_are_refused(bare: Served) -> None:
    name, _, port = bare.host.rpartition(":")
    with socket.create_connection((name, int(port))) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {bare.host}\r\nHost: evil.example\r\n\r\n".encode())
        assert connection.recv(64).split()[1] in (b"400", b"421")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "file://"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {},
        {"Origin": "http://evil.example", "Sec_Fetch_Site": "same-origin"},
    ],
)
def test_a_change_from_elsewhere_is_refused(bare: Served, headers: dict[str, str]) -> None:
    kind = "application/x-www-form-urlencoded"
    reply = bare.ask(annotation(bare), "POST", b"notes=evil", Content_Type=kind, **headers)
    assert reply.status == 403
    assert bare.library.entry("glasses").notes == ""


def test_a_change_from_our_pages_is_made(bare: Served) -> None:
    path = f"/vectors/{bare.library.resolve('smile')}/annotation"
    assert bare.post(path, notes="mine").status == 200
    kind = "application/x-www-form-urlencoded"
    given = {"Content_Type": kind, "Sec_Fetch_Site": "same-origin", "HX_Request": "true"}
    assert bare.ask(path, "POST", b"name=n", **given).status == 200
    entry = bare.library.entry("smile")
    assert (entry.notes, entry.name) == ("mine", "n")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
def test_other_methods_are_refused(bare: Served, method: str) -> None:
    assert bare.ask(annotation(bare), method, Origin=bare.address).status in (400, 405)


def test_a_change_by_get_is_refused(bare: Served) -> None:
    assert bare.ask(f"{annotation(bare)}?notes=evil").status == 405


def test_oversize_bodies_are_refused_before_they_are_read(bare: Served) -> None:
    name, _, port = bare.host.rpartition(":")
    head = f"POST {annotation(bare)} HTTP/1.1\r\nHost: {bare.host}\r\nOrigin: {bare.address}\r\n"
    head += "Content-Type: application/x-www-form-urlencoded\r\n"
    with socket.create_connection((name, int(port))) as connection:
        connection.sendall(f"{head}Content-Length: {1 << 40}\r\n\r\nnotes=".encode())
        assert b" 413 " in connection.recv(64)
    with socket.create_connection((name, int(port))) as connection:
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        piece = b"notes=" + b"a" * 65530
        try:
            for _ in range(2 * MAX_BODY_BYTES // len(piece)):
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            connection.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has hung up
        assert b" 413 " in connection.recv(64)
    assert bare.library.entry("glasses").notes == ""
    assert bare.post(annotation(bare), notes="a" * (1 << 17)).status == 422
    for length in ("-1", "1e3", "１"):
        assert (
            bare.ask(
                annotation(bare), "POST", None, Origin=bare.address, Content_Length=length.encode().decode("latin-1")
            ).status
            == 400
        )


def test_the_token_opens_once_and_the_cookie_then(guarded: Served) -> None:
    assert guarded.ask("/").status == 401
    assert guarded.ask("/static/app.css").status == 401
    assert guarded.ask("/?token=").status == 401
    assert guarded.ask(f"/?token={TOKEN}x").status == 401
    assert guarded.ask("/?token=%C3%A9").status == 401
    opened = guarded.ask(f"/vectors/x?token={TOKEN}&a=1%262")
    assert opened.status == 303
    assert opened.headers["location"] == "/vectors/x?a=1%262"
    cookie = opened.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}={TOKEN};")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert guarded.ask("/", Cookie=f"{COOKIE}={TOKEN}").status == 200
    assert guarded.ask("/", Cookie=f"{COOKIE}=guess").status == 401
    assert guarded.ask("/", Cookie=f"other={TOKEN}").status == 401
    assert guarded.ask("/", Cookie="\x01=;;;").status in (400, 401)
    assert guarded.ask("/", Host="evil.example", Cookie=f"{COOKIE}={TOKEN}").status == 421


def test_a_token_leads_nowhere_else(guarded: Served) -> None:
    opened = guarded.ask(f"//evil.example/?token={TOKEN}")
    assert opened.headers["location"] == "/evil.example/"


def test_a_token_allows_no_change_by_itself(guarded: Served) -> None:
    path = f"{annotation(guarded)}?token={TOKEN}"
    assert guarded.ask(path, "POST", b"notes=evil", Origin=guarded.address).status == 401


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/vectors/..%2f..%2fetc%2fpasswd",
        "/vectors/%2e%2e",
        "/vectors/..%2f/file",
        "/noises/..%2f..%2f",
        "/noises/%00",
        "/pictures/..%2f..%2f/acts.png",
        "/vectors/glasses/export/..%2fzip",
        "/vectors/%00",
        "/vectors/%ff",
    ],
)
def test_paths_lead_to_nothing_but_pages(bare: Served, path: str) -> None:
    reply = bare.ask(path)
    assert reply.status in (400, 404, 422)
    assert b"root:" not in reply.data
    assert b"create_app" not in reply.data


def test_fifty_streams_of_questions_are_answered(bare: Served) -> None:
    paths = ["/", "/?q=glasses", f"/vectors/{bare.library.resolve('smile')}", "/?group=concept", "/static/app.js"]
    with ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(lambda i: bare.ask(paths[i % len(paths)]).status, range(150)))
    assert statuses == [200] * 150


def test_idle_connections_keep_nobody_waiting(bare: Served) -> None:
    name, _, port = bare.host.rpartition(":")
    idle = [socket.create_connection((name, int(port))) for _ in range(50)]
    try:
        for connection in idle:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert bare.ask("/").status == 200
    finally:
        for connection in idle:
            connection.close()


def test_beyond_the_loopback_there_is_a_token() -> None:
    assert Access.to("127.0.0.1", 80).token is None
    assert Access.to("::1", 80).token is None
    assert len(Access.to("0.0.0.0", 80).token or "") >= 32
    assert Access.to("0.0.0.0", 80).token != Access.to("0.0.0.0", 80).token
    assert Access.to("192.168.1.2", 80, ["Tunnel:443"]).hosts >= {"192.168.1.2:80", "tunnel:443", "localhost:80"}
    assert [is_loopback(host) for host in ("localhost", "127.1.2.3", "example.org", "10.0.0.1", "::")] == [
        *[True] * 2, *[False] * 3
    ]  # fmt: skip
