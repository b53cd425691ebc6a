"""The gallery's addresses, without a browser."""

import re
from collections.abc import Iterator

import pytest

from sega_store import Library
from tests.cli.browse.serving import Served, served
from tests.cli.samples import make_noise, make_vector


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The pages of sixty vectors: three concepts from twenty noises."""
    folder = tmp_path_factory.mktemp("gallery")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGA_VEC_CACHE", str(folder / "cache"))
        library = Library(folder / "library")
    for seed in range(20):
        for text in ("glasses", "smile", "hat"):
            library.add(make_vector(text, seed, f"a portrait number{seed}"), make_noise(seed))
    with served(library) as server:
        yield server


def tiles(html: str) -> list[str]:
    return re.findall(r'data-id="([0-9a-f.]+)"', html)


def test_pages_follow_each_other_without_gaps(site: Served) -> None:
    for query in ("?", "?concept=hat&", "?q=portrait&sort=concept&"):
        html = site.ask(f"/{query}").text
        found = tiles(html)
        while more := re.search(r'hx-get="(/tiles\?[^"]*)"', html):
            html = site.ask(more[1].replace("&amp;", "&")).text
            found += tiles(html)
        assert len(found) == len(set(found)) == (20 if "hat" in query else 60)


def test_a_link_to_the_next_page_works_without_scripts(site: Served) -> None:
    html = site.ask("/").text
    found = tiles(html)
    while more := re.search(r'href="(/\?after=[^"]*)"', html):
        html = site.ask(more[1]).text
        found += tiles(html)
    assert len(found) == len(set(found)) == 60


def test_groups_follow_each_other(site: Served) -> None:
    html = site.ask("/?group=noise").text
    assert html.count('<section class="group"') == 20
    assert len(tiles(html)) == 60
    assert "/groups?" not in html
    assert len(tiles(site.ask("/groups?group=noise&skip=18").text)) == 6
    assert site.ask("/groups?group=nonsense").status == 422


def test_facets_count_what_a_choice_would_leave(site: Served) -> None:
    counts = dict(
        re.findall(
            r'title="(\w+)"><span class="label">\w+</span><span class="count">(\d+)<',
            site.ask("/facets?q=number7").text,
        )
    )
    assert counts == {"glasses": "1", "smile": "1", "hat": "1", "embedded": "3"}
    chosen = site.ask("/facets?concept=hat&noise=" + make_noise(3).sha256).text
    assert chosen.count('aria-current="true"') == 2
    assert "There are more: search for them." in chosen


@pytest.mark.parametrize("query", ["rating=6", "rating=x", "noise=xyz", "date=yesterday", "date=2026-1"])
def test_what_makes_no_sense_is_refused(site: Served, query: str) -> None:
    assert site.ask(f"/?{query}").status == 422


def test_a_noise_lists_what_can_act_together(site: Served) -> None:
    sha256 = make_noise(3).sha256
    page = site.ask(f"/noises/{sha256}")
    assert len(tiles(page.text)) == 3
    assert site.ask(f"/noises/{sha256}/picture.png").data.startswith(b"\x89PNG")
    assert site.ask(f"/noises/{sha256[:10]}").headers["location"] == f"/noises/{sha256}"
    assert site.ask("/noises/ffffffffffff").status == 404
    assert site.ask("/noises/").status == 404


def test_two_to_eight_are_compared(site: Served) -> None:
    ids = list(site.library)
    for count, status in ((1, 422), (2, 200), (8, 200), (9, 422)):
        assert site.ask("/compare?" + "&".join(f"id={identity}" for identity in ids[:count])).status == status
    assert site.ask(f"/compare?id={ids[0]}&id={ids[0]}").status == 422
    assert "another initial noise" in site.ask(f"/compare?id={ids[0]}&id={ids[5]}").text


def test_a_short_ref_leads_to_the_page(site: Served) -> None:
    identity = next(iter(site.library))
    assert site.ask(f"/vectors/{identity[:12]}").headers["location"] == f"/vectors/{identity}"
    assert site.ask("/vectors/glasses").status == 404
