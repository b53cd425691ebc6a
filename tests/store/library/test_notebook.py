"""What a notebook shows."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from sega_store import GuidanceVector, Library, Preview
from sega_store.display.pictures import decode
from tests.store.display.test_pictures import encoded
from tests.store.samples import PREVIEW, noise, provenance, vector

EVIL = "<img src=x onerror=alert(1)>\"'&"
REAL = Preview(encoded("PNG", size=(8, 8)), encoded("PNG", size=(8, 8)), "image/png")


class Seen(HTMLParser):
    """The tags, attributes and text of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def evil() -> GuidanceVector:
    facts = provenance(prompt=EVIL)
    return vector(EVIL, facts=replace(facts, model=replace(facts.model, id=EVIL)))


def pictures(html: str) -> list[str]:
    """The captions of the pictures, each of which is a real one."""
    sources = re.findall(r'src="data:image/png;base64,([^"]*)" alt="([^"]*)"', html)
    assert len(sources) == html.count("<img ")
    for source, _ in sources:
        decode(base64.b64decode(source))
    return [caption for _, caption in sources]


@pytest.mark.parametrize("preview", [None, REAL, PREVIEW])
def test_a_vector_shows_its_pictures(preview: Preview | None) -> None:
    html = vector().with_preview(preview)._repr_html_()
    assert pictures(html) == [*(["before", "after"] if preview is REAL else []), "where it acts"]
    for part in ("glasses", "a portrait of a king", "embedded", "seed 21", vector().id[:12]):
        assert part in Seen(html).text


def test_a_library_shows_its_newest_vectors_and_damage(library: Library) -> None:
    for seed in range(13):
        library.add(vector(f"concept {seed}", seed=seed).with_preview(REAL), noise())
    shown = Seen(library._repr_html_())
    assert "13 vectors, the newest 12 here" in shown.text
    assert len([tag for tag, _ in shown.tags if tag == "img"]) == 24
    path = library.path_of(library.search(limit=1)[0].id)
    path.write_bytes(path.read_bytes()[:-40])
    shown = Seen(library._repr_html_())
    assert str(path) in shown.text
    assert len([tag for tag, _ in shown.tags if tag == "img"]) == 22


def test_a_strangers_texts_are_text(library: Library) -> None:
    v = evil().with_preview(REAL)
    library.add(v, noise())
    library.annotate(v.id, name=EVIL)
    for html in (v._repr_html_(), library._repr_html_()):
        shown = Seen(html)
        assert EVIL in shown.text
        assert {tag for tag, _ in shown.tags} <= {"div", "strong", "figure", "figcaption", "img", "em"}
        assert not any(name.startswith("on") for _, attributes in shown.tags for name in attributes)
