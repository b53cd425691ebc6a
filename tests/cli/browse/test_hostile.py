"""A library from a stranger, full of HTML and control characters, on every page, and as an exported site."""

from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sega_cli.browse.export import export_site
from sega_store import Concept, GuidanceVector, Library, Preview
from tests.cli.browse.serving import Served, served
from tests.cli.samples import make_noise, make_vector

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'`&{{7*7}}{%x%}</textarea></title>\x1b[2J\u202e\x00 end"
LINE = "<script>alert(1)</script>\"'onmouseover=alert(1)&{{7*7}}"
TAGS = {"script", "img", "title", "textarea", "input", "a"}


class Page(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def evil_vector(text: str = EVIL) -> GuidanceVector:
    plain = make_vector()
    facts = plain.provenance
    model = replace(facts.model, id=EVIL, revision=EVIL, fingerprint=EVIL, pipeline=EVIL, denoiser=EVIL, device=EVIL)
    run = replace(
        facts.run, prompt=EVIL, negative_prompt=EVIL, companions=(Concept(EVIL),), arguments={EVIL: {EVIL: [EVIL]}}
    )
    scheduler = replace(facts.scheduler, name=EVIL, config={EVIL: EVIL, "deep": {EVIL: [1, EVIL]}})
    noise = replace(facts.noise, device=EVIL, dtype=EVIL)
    facts = replace(facts, model=model, run=run, scheduler=scheduler, noise=noise, versions={EVIL: EVIL})
    preview = Preview(b"<svg onload='alert(1)'>", b"\x89PNG\r\n\x1a\n<script>", "image/png")
    return replace(plain, concept=Concept(text), provenance=facts, preview=preview)


@pytest.fixture
def evil(folder: Path) -> Library:
    library = Library(folder / "evil")
    identity = library.add(evil_vector(), make_noise(21))
    library.annotate(identity, name=LINE, tags=[LINE, "b"], rating=3, notes=EVIL)
    library.add(evil_vector(f"other {EVIL}"))
    library.add(make_vector("plain"))
    return library


@pytest.fixture
def site(evil: Library) -> Iterator[Served]:
    with served(evil) as server:
        yield server


def check(html: str, *, local: bool = False) -> Page:
    page = Page(html)
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (tag, attributes)
        source = attributes.get("src") or ""
        if tag == "script":
            assert attributes.get("type") == "application/json" or "static/" in source[:12], attributes
        if tag == "img":
            assert "pictures/" in source[:14] or "noises/" in source[:14], attributes
        if tag == "a":
            assert (attributes.get("href") or "").startswith(("/", "#", "index.html", "../", "vectors/", "noises/"))
    for character in "\x1b\u202e\x00":
        assert character not in html
    return page


def test_every_field_is_only_text_on_every_page(site: Served, evil: Library) -> None:
    first = evil.resolve(LINE)
    ids = list(evil)
    noise = evil.entry(first).noise
    paths = [
        "/", "/facets", "/?group=concept", "/?group=noise", "/?q=script", f"/vectors/{first}", f"/noises/{noise}",
        "/compare?" + "&".join(f"id={identity}" for identity in ids),
    ]  # fmt: skip
    for path in paths:
        reply = site.ask(path)
        assert reply.status == 200, reply.text
        page = check(reply.text)
        assert any("<script>alert(1)</script>" in text for text in page.texts), path
        assert any("{{7*7}}" in text for text in page.texts), path


@pytest.mark.parametrize(
    "parameter", ["q", "concept", "model", "tag", "sort", "group", "date", "noise", "rating", "after"]
)
def test_what_an_address_says_is_only_text(site: Served, parameter: str) -> None:
    from urllib.parse import quote

    for text in (EVIL, LINE, "'; DROP TABLE vectors; --", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")):
        reply = site.ask(f"/?{parameter}={quote(text)}")
        assert reply.status in (200, 422)
        check(reply.text) if reply.status == 200 else None
    for path in (f"/vectors/{quote(LINE)}x", f"/noises/{quote(LINE)}", f"/compare?id={quote(LINE)}x&id=b"):
        reply = site.ask(path)
        assert reply.status in (404, 422)
        check(reply.text)


def test_a_preview_that_is_no_picture_is_said(site: Served, evil: Library) -> None:
    identity = evil.resolve(LINE)
    assert "The preview is no picture" in site.ask(f"/vectors/{identity}").text
    assert site.ask(f"/pictures/{identity}/before.png").status == 422
    for name in ("before", "before-small", "after-small", "acts", "steps", "channel-0"):
        reply = site.ask(f"/pictures/{identity}/{name}.png")
        assert reply.data.startswith(b"\x89PNG")
        assert b"script" not in reply.data
        assert reply.headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    "name", ["nothing", "channel-2", "channel-99999", "channel-x", "minus-abc", f"minus-{'0' * 64}.{'0' * 64}"]
)
def test_unknown_pictures_are_missing(site: Served, evil: Library, name: str) -> None:
    assert site.ask(f"/pictures/{evil.resolve(LINE)}/{name}.png").status == 404


def test_a_damaged_vector_is_a_message_and_hides_nothing_else(site: Served, evil: Library) -> None:
    identity = evil.resolve("plain")
    path = evil.path_of("plain")
    data = bytearray(path.read_bytes())
    data[-300] ^= 255
    path.write_bytes(data)
    reply = site.ask(f"/vectors/{identity}")
    assert reply.status == 422
    assert "This file is damaged" in reply.text
    assert identity in reply.text
    assert site.ask(f"/pictures/{identity}/acts.png").status == 422
    gallery = site.ask("/")
    assert gallery.status == 200
    assert f"/vectors/{identity}" in gallery.text
    other = evil.resolve(LINE)
    assert site.ask(f"/compare?id={identity}&id={other}").status == 422
    path.write_bytes(bytes(data[:100]))
    (path.parent / "touch").write_bytes(b"")
    assert site.ask("/").status == 200


def test_a_missing_noise_is_said(site: Served, evil: Library) -> None:
    for file in (evil.root / "noise").rglob("*.zip"):
        file.unlink()
    page = site.ask(f"/vectors/{evil.resolve(LINE)}").text
    assert "hold its initial noise, so it can" in page
    noise = site.ask(f"/noises/{evil.entry(LINE).noise}")
    assert noise.status == 200
    assert "hold this noise: its vectors were added without" in noise.text


def test_an_exported_site_is_as_safe(evil: Library, folder: Path) -> None:
    export_site(evil, folder / "site")
    pages = list((folder / "site").rglob("*.html"))
    assert len(pages) == 1 + 3 + 1
    for page in pages:
        check(page.read_text())
    assert str(evil.root) not in "".join(page.read_text() for page in pages)


def test_a_prompt_of_a_megabyte_is_cut_on_every_page(folder: Path) -> None:
    prompt = "word " * 180_000
    library = Library(folder / "long")
    identity = library.add(make_vector(prompt=prompt), make_noise(21))
    library.annotate(identity, notes="n" * 50_000)
    with served(library) as at:
        sha256 = library.entry(identity).noise
        for path in ("/", "/facets", f"/noises/{sha256}", f"/vectors/{identity}"):
            page = at.ask(path).text
            assert prompt[:1000] in page or path == "/facets"
            assert len(page) < 200_000
        assert "n" * 50_000 in page, "what a form sends back is whole"
        assert "show --json prints them whole" in page
    export_site(library, folder / "site")
    assert sum(file.stat().st_size for file in (folder / "site").rglob("*.html")) < 200_000
