"""Every page in a real browser: what it does, how it reads to those who don't see it, both themes, narrow and wide."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sega_store import Library
from tests.cli.browse.axe import violations
from tests.cli.browse.serving import Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NARROW, WIDE = 360, 2560


def paths(library: Library) -> dict[str, str]:
    """The pages, by name."""
    glasses, hat = (library.search(concept=concept)[-1] for concept in ("glasses", "hat"))
    other = library.search(concept="glasses")[0]
    return {
        "gallery": "/",
        "filtered": "/?q=portrait&concept=glasses&sort=oldest",
        "noises": "/?group=noise",
        "nothing": "/?q=nothing",
        "vector": f"/vectors/{hat.id}",
        "compare": f"/compare?id={glasses.id}&id={hat.id}&id={other.id}",
        "noise": f"/noises/{hat.noise}",
        "start": "/compare",
        "error": "/vectors/ffff",
    }


def until(page: "Page", condition: str) -> None:
    """Waits until a condition holds in the page; playwright's own way evaluates it there, which the policy forbids."""
    for _ in range(400):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"{condition} doesn't hold after 10 seconds")


def scrolled(page: "Page") -> None:
    """Loads what is loaded when it is seen."""
    until(
        page, "!document.querySelector('#facets') || !document.querySelector('#facets').innerText.includes('Counting')"
    )
    page.evaluate("document.querySelectorAll('img').forEach((image) => (image.loading = 'eager'))")
    until(page, "[...document.images].every((image) => image.complete)")


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_and_fits(
    chromium: "Browser", site: Served, shots: Path, theme: str, width: int
) -> None:
    entry = site.library.search(concept="hat")[0]
    site.library.annotate(
        entry.id, name="a hat", tags=["outdoors", "a long tag of several words"], rating=4, notes="Good."
    )
    context = chromium.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
        base_url=site.address,
    )
    for name, path in paths(site.library).items():
        page = context.new_page()
        page.goto(path)
        scrolled(page)
        page.screenshot(path=shots / f"{name}-{theme}-{width}.png", full_page=True)
        assert violations(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name
        page.close()
    context.close()


def test_search_as_you_type(page: "Page") -> None:
    page.goto("/")
    assert page.locator(".tile").count() == 4
    page.get_by_role("searchbox").press_sequentially("king", delay=20)
    until(page, "document.querySelectorAll('.tile').length === 1")
    assert page.get_by_role("searchbox").evaluate("box => box === document.activeElement")
    assert page.get_by_role("status").first.inner_text() == "1 vector of 4"
    until(page, "document.getElementById('facets').innerText.includes('beard')")
    until(page, "!document.getElementById('facets').innerText.includes('glasses')")
    assert page.url.endswith("q=king&sort=newest&group=")
    page.get_by_role("searchbox").fill("nothing such")
    page.get_by_text("Nothing found").wait_for()
    page.get_by_role("link", name="Show all 4 vectors").click()
    until(page, "document.querySelectorAll('.tile').length === 4")


def test_filters_narrow_and_widen(page: "Page") -> None:
    page.goto("/")
    filters = page.get_by_role("complementary", name="Filters")
    assert filters.get_by_role("link", name=re.compile("glasses")).inner_text().split() == ["glasses", "2"]
    for link, count in (("glasses", 2), ("seed 22", 1)):
        filters.get_by_role("link", name=re.compile(link)).click()
        until(page, f"document.querySelectorAll('.tile').length === {count}")
    for left in (1, 0):
        page.get_by_title("Remove this filter").first.click()
        until(page, f"document.querySelectorAll('a.chip').length === {left}")
    until(page, "document.querySelectorAll('.tile').length === 4")


def test_order_and_groups_are_chosen(page: "Page") -> None:
    page.goto("/")
    first = page.locator(".tile .concept").first
    newest = page.locator(".tile").first.get_attribute("data-id")
    page.get_by_label("Order").select_option("oldest")
    page.wait_for_url("**sort=oldest**")
    until(page, f"document.querySelector('.tile').dataset.id !== '{newest}'")
    page.get_by_label("Order").select_option("concept")
    until(page, "document.querySelector('.tile .concept').textContent.trim() === 'beard'")
    assert first.inner_text() == "beard"
    page.get_by_label("Grouping").select_option("noise")
    page.get_by_role("heading", name="Seed 21").wait_for()
    groups = page.locator(".group")
    assert [groups.nth(i).locator(".tile").count() for i in range(groups.count())] == [3, 1]


def test_the_gallery_scrolls_on(page: "Page", site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sega_cli.browse.pages.gallery.PAGE", 1)
    page.set_viewport_size({"width": 1280, "height": 300})
    page.goto("/")
    while page.locator(".tile").count() < 4:
        count = page.locator(".tile").count()
        page.mouse.wheel(0, 2000)
        until(page, f"document.querySelectorAll('.tile').length > {count}")
    ids = page.locator(".tile").evaluate_all("tiles => tiles.map((tile) => tile.dataset.id)")
    assert ids == [entry.id for entry in site.library.search()]
    until(page, "!document.querySelector('.more')")


def test_the_pair_is_wiped(page: "Page") -> None:
    page.goto("/")
    shot = page.locator(".shot").first
    box = shot.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 20)
    wipe = page.locator(".wipe").first
    assert float(wipe.evaluate("wipe => parseFloat(wipe.style.getPropertyValue('--wipe'))")) == pytest.approx(25, abs=1)
    page.mouse.move(0, 0)
    assert wipe.evaluate("wipe => wipe.style.getPropertyValue('--wipe')") == ""


def test_what_is_said_is_edited_in_place(page: "Page", site: Served) -> None:
    entry = site.library.search(concept="hat")[0]
    page.goto(f"/vectors/{entry.id}")
    page.get_by_label("Name").fill("my hat")
    page.get_by_label("Name").press("Tab")
    page.get_by_text("Saved", exact=True).wait_for()
    page.get_by_label("Tags").fill("a tag, with a comma")
    page.get_by_label("Tags").press("Enter")
    page.get_by_role("link", name="a tag, with a comma").wait_for()
    with page.expect_response("**/annotation"):
        page.get_by_text("★").nth(3).click()
    until(page, "document.querySelector('.rating input:checked').value === '4'")
    page.get_by_role("textbox", name="Notes").fill("first line\nsecond <b>line</b>")
    page.get_by_role("textbox", name="Notes").blur()
    for _ in range(100):  # what was typed before may still be on its way
        if (said := site.library.entry(entry.id)).notes:
            break
        page.wait_for_timeout(50)
    assert (said.name, said.tags, said.rating) == ("my hat", ("a tag, with a comma",), 4)
    assert said.notes == "first line\nsecond <b>line</b>"
    page.reload()
    assert page.get_by_role("textbox", name="Notes").input_value() == said.notes
    with page.expect_response("**/annotation"):
        page.get_by_role("button", name="Remove the tag").click()
    until(page, "!document.querySelector('.tags .chip')")
    with page.expect_response("**/annotation"):
        page.get_by_text("none", exact=True).click()
    until(page, "document.getElementById('saved').textContent.trim() === 'Saved'")
    said = site.library.entry(entry.id)
    assert (said.name, said.tags, said.rating) == ("my hat", (), None)


def test_a_name_that_is_taken_is_refused_in_place(chromium: "Browser", site: Served) -> None:
    hat, beard = (site.library.search(concept=concept)[0] for concept in ("hat", "beard"))
    site.library.annotate(beard.id, name="mine")
    page = chromium.new_page(base_url=site.address)
    page.goto(f"/vectors/{hat.id}")
    page.get_by_label("Name").fill("mine")
    page.get_by_label("Name").press("Enter")
    page.get_by_text("Choose another").wait_for()
    assert site.library.entry(hat.id).name is None
    page.close()


def test_the_heat_map_has_a_slider_and_plays(page: "Page", site: Served) -> None:
    entry = site.library.search(concept="hat")[0]
    page.goto(f"/vectors/{entry.id}")
    slider = page.get_by_label("Step of the heat map")
    slider.wait_for()
    output = page.locator(".player output")
    assert output.inner_text() == "all steps"
    slider.press("Home")
    assert output.inner_text().startswith("step 0 of 7, timestep ")
    first = pixels(page)
    assert page.locator(".cursor").first.get_attribute("d") == "M6.25 0 L6.25 100"
    slider.press("ArrowRight")
    assert output.inner_text().startswith("step 1 of 7")
    assert pixels(page) != first
    page.get_by_label("over the picture").check()
    assert page.locator("canvas").evaluate("canvas => canvas.width") == 64
    page.get_by_role("button", name="Play").click()
    until(page, "document.querySelector('.player output').textContent.startsWith('step 3')")
    page.get_by_role("button", name="Pause").click()
    stopped = output.inner_text()
    page.wait_for_timeout(400)
    assert output.inner_text() == stopped


def pixels(page: "Page") -> str:
    return str(page.locator("canvas").evaluate("canvas => canvas.toDataURL()"))


def test_vectors_are_selected_and_compared(page: "Page", site: Served) -> None:
    page.goto("/")
    assert page.locator("#selection").is_hidden()
    page.get_by_label("Select hat, a portrait of a man, seed 21").check()
    assert page.get_by_role("button", name="Compare").is_disabled()
    page.get_by_role("searchbox").fill("king")
    until(page, "document.querySelectorAll('.tile').length === 1")
    page.get_by_label("Select beard").check()
    assert page.locator("#selection p").inner_text() == "2 selected"
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**/compare?**")
    assert sorted(page.locator(".compared .concept").all_inner_texts()) == ["beard", "hat"]
    assert page.get_by_role("table").count() == 3
    first = page.locator(".compared .concept").first.inner_text()
    page.get_by_role("link", name="put first").click()
    until(page, f"document.querySelector('.compared .concept')?.innerText !== '{first}'")
    page.go_back()
    page.go_back()
    page.get_by_role("button", name="Clear").click()
    assert page.locator("#selection").is_hidden()


def test_the_theme_is_kept(chromium: "Browser", site: Served) -> None:
    context = chromium.new_context(color_scheme="light", base_url=site.address)
    page = context.new_page()
    page.goto("/")
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.get_by_role("button", name="Light or dark").click()
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert dark != light
    page.reload()
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == dark
    context.close()


def test_the_keyboard_leads_everywhere(page: "Page") -> None:
    page.goto("/")
    seen: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = "(({ariaLabel, name, innerText}) => (ariaLabel || name || innerText || '').trim())"
        seen.append(page.evaluate(f"{focused}(document.activeElement)"))
    assert seen[0] == "Skip to the content"
    wanted = ["sega-vectors", "Gallery", "Compare", "Light or dark", "q", "sort", "group", "id"]
    places = [next(i for i, label in enumerate(seen) if label.startswith(start)) for start in wanted]
    assert places == sorted(places)
    outlined = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outlined != "none"
    page.goto("/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_filters_open_on_a_narrow_screen(page: "Page") -> None:
    page.set_viewport_size({"width": NARROW, "height": 740})
    page.goto("/")
    filters = page.get_by_role("complementary", name="Filters")
    assert filters.is_hidden()
    page.get_by_role("button", name="Filters").click()
    assert filters.is_visible()
    page.get_by_role("searchbox").fill("king")
    until(page, "document.querySelectorAll('.tile').length === 1")
    assert filters.is_visible()


def test_files_are_downloaded_and_exported(page: "Page", site: Served, tmp_path: Path) -> None:
    entry = site.library.search(concept="hat")[0]
    page.goto(f"/vectors/{entry.id}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == f"{entry.id[:12]}.zarr.zip"
    assert Path(download.value.path()).read_bytes() == site.library.path_of(entry.id).read_bytes()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export zip").click()
    from sega_store import import_vectors

    download.value.save_as(tmp_path / "got.zip")
    assert import_vectors(Library(tmp_path / "other"), tmp_path / "got.zip").added == (entry.id,)


def test_a_server_that_has_gone_is_said(chromium: "Browser", site: Served) -> None:
    page = chromium.new_page(base_url=site.address)
    page.goto("/")
    page.route("**/*", lambda route: route.abort())
    page.get_by_role("searchbox").fill("king")
    page.get_by_text("The server doesn't answer.").wait_for()
    page.close()


@pytest.fixture
def exported(chromium: "Browser", shown: Library, folder: Path) -> "Iterator[Page]":
    """The first page of an exported site, as a file; nothing may be asked of a server."""
    from sega_cli.browse.export import export_site

    shown.annotate(shown.search(concept="hat")[0].id, name="a hat", tags=["outdoors"], rating=4, notes="Good.")
    export_site(shown, folder / "site")
    page = chromium.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: None if request.url.startswith("file://") else wrong.append(request.url))
    page.goto((folder / "site" / "index.html").as_uri())
    yield page
    page.close()
    assert not wrong


def test_an_exported_site_is_searched_and_filtered(exported: "Page") -> None:
    page = exported
    assert page.locator(".tile").count() == 4
    page.get_by_role("searchbox").fill("KING pen")
    assert page.locator(".tile").count() == 1
    assert page.get_by_role("status").first.inner_text() == "1 vector of 4"
    page.get_by_role("searchbox").fill("")
    page.get_by_role("link", name=re.compile("outdoors")).click()
    assert page.locator(".tile .concept").all_inner_texts() == ["hat a hat"]
    assert page.get_by_label("4 of 5 stars").is_visible()
    page.get_by_role("link", name=re.compile("glasses")).click()
    assert page.get_by_text("Nothing found").is_visible()
    page.get_by_role("link", name="Show all 4 vectors").click()
    page.get_by_label("Order").select_option("concept")
    assert page.locator(".tile .concept").first.inner_text() == "beard"
    assert violations(page) == []


def test_an_exported_site_leads_from_page_to_page(exported: "Page") -> None:
    page = exported
    page.get_by_role("link", name="hat").last.click()
    assert page.get_by_role("heading", level=1).inner_text() == "hat a hat"
    scrolled(page)
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
    page.get_by_label("Step of the heat map").press("Home")
    assert page.locator(".player output").inner_text().startswith("step 0")
    assert violations(page) == []
    page.get_by_role("link", name="seed 21").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Seed 21"
    scrolled(page)
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
    for link in page.get_by_role("link").evaluate_all("links => links.map((link) => link.href.split('#')[0])"):
        assert Path(link.removeprefix("file://")).exists(), link
    page.get_by_role("link", name="Gallery").click()
    assert page.locator(".tile").count() == 4


def test_the_index_is_json(exported: "Page") -> None:
    rows = json.loads(exported.locator("#index").text_content() or "")
    assert {row["concept"] for row in rows} == {"glasses", "hat", "beard"}
