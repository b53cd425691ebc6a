"""The report: what it writes, that the page needs nothing else, and texts that are anything but plain."""

import csv
import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from sega_store import Library
from sega_vectors.study.findings import Findings
from sega_vectors.study.plan import Plan
from sega_vectors.study.points import POINTS
from sega_vectors.study.report import StudyReport
from sega_vectors.study.study import Study, read_plan
from tests.cli.samples import make_vector

from .conftest import Finished
from .plans import small_plan
from .test_evidence import Brightness

VOID = {"meta", "img"}
HOSTILE = '<i on=1>|$x$&\\$../../"'


class Page(HTMLParser):
    """Reads a page strictly: every element is closed, by its own end."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of a kind."""
        return [attributes for name, attributes in self.seen if name == tag]


def test_the_page_needs_nothing_else(reported: Path, finished: Finished) -> None:
    text = (reported / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//|@import|url\(", re.sub(r'src="data:[^"]*"', "", text))
    page = Page(text)
    assert {"script", "link", "iframe", "object"}.isdisjoint(tag for tag, _ in page.seen)
    figures = [figure for found in finished.findings.values() for figure in found.figures]
    sources = [attributes["src"] or "" for attributes in page.all("img")]
    assert len(sources) == len(figures)
    assert all(re.match(r"data:image/(png|svg\+xml);base64,[A-Za-z0-9+/]+=*$", source) for source in sources)
    assert [attributes["href"] for attributes in page.all("a")] == [f"#{name}" for name in POINTS]
    assert [attributes["id"] for attributes in page.all("section")] == [*POINTS, "plan"]
    assert len(page.all("table")) == sum(len(found.tables) for found in finished.findings.values())
    assert "1.0 minutes" in page.text
    assert "<!--" not in text


def test_the_figures_of_the_markdown_are_there(reported: Path, finished: Finished) -> None:
    text = (reported / "report.md").read_text(encoding="utf-8")
    shown = re.findall(r"\]\((figures/[^)]+)\)", text)
    assert sorted(reported / name for name in shown) == sorted((reported / "figures").iterdir())
    for name in shown:
        if name.endswith(".svg"):
            assert ElementTree.parse(reported / name).getroot().tag.endswith("svg")
        else:
            with Image.open(reported / name) as image:
                image.load()
    for name in POINTS:
        assert f"## {POINTS[name].title}\n" in text


def test_tables_are_the_findings_rows(reported: Path, finished: Finished) -> None:
    for name, found in finished.findings.items():
        with (reported / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == len(found.rows)
        for written, row in zip(rows, found.rows, strict=True):
            for column, value in row.items():
                if isinstance(value, float):
                    assert float(written[column]) == pytest.approx(value, rel=1e-5, nan_ok=True)
                else:
                    assert written[column] == ("" if value is None else str(value))


def test_the_json_holds_plan_and_tables(reported: Path, finished: Finished) -> None:
    document = json.loads((reported / "study.json").read_text(encoding="utf-8"))
    assert Plan.from_json(document["plan"]) == finished.study.plan == read_plan(reported / "plan.json")
    assert document["facts"] == {"Time": "1.0 minutes"}
    assert {"sega-vectors", "diffusers", "torch"} <= set(document["versions"])
    for name, point in document["points"].items():
        found = finished.findings[name]
        assert point["text"] == list(found.text)
        assert [len(table["rows"]) for table in point["tables"]] == [len(table.rows) for table in found.tables]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Mapping[str, Findings]]:
    """What every point finds in pictures of noise, for concepts and prompts whose every text is hostile.

    There is one concept, two noises, and styles of which one begins as another and which not all have runs.
    """
    folder = tmp_path_factory.mktemp("hostile")
    plan = small_plan(
        concepts=(HOSTILE,),
        styles=("<b>a|", "<b>a| $z$", "relief", "mosaic", "photo"),
        subjects=("<script>", "</table>"),
        seeds=(1, 2),
        tried=2,
        naming="{prompt}<i>{concept}",
        swaps=((HOSTILE, "<u>$"),),
    )
    study = Study(plan, tuple(POINTS), folder, Library(folder / "library"))
    identity = study.library.add(make_vector())
    rng = np.random.default_rng(0)
    for run in study.runs:
        image = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        study.archive.keep(run, image, [identity] * len(run.fresh))
    return plan, study.findings(study.evidence(Brightness(*plan.judged)))


@pytest.fixture(scope="module")
def hostile_folder(hostile: tuple[Plan, Mapping[str, Findings]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of it."""
    folder = tmp_path_factory.mktemp("hostile-report") / "deep" / "deeper" / "deepest"
    StudyReport(*hostile, {HOSTILE: HOSTILE}).write(folder)
    outside = [path for path in folder.parents[2].rglob("*") if path.is_file() and folder not in path.parents]
    assert outside == []
    return folder


def test_the_page_shows_hostile_texts_as_they_are(hostile_folder: Path) -> None:
    text = (hostile_folder / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    allowed = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "dl", "dt", "dd", "nav", "a", "section"}
    allowed |= {"p", "code", "pre", "div", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    allowed |= {"figure", "figcaption", "img"}
    assert {tag for tag, _ in page.seen} <= allowed
    assert {name for _, attributes in page.seen for name in attributes if name.startswith("on")} == set()
    assert HOSTILE in page.text
    assert any(HOSTILE in (attributes["alt"] or "") for attributes in page.all("img"))


def test_tables_of_the_markdown_have_their_columns(hostile_folder: Path) -> None:
    lines = (hostile_folder / "report.md").read_text(encoding="utf-8").splitlines()
    columns = [len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0 for line in lines]
    assert max(columns) > 3
    for before, after in pairwise(columns):
        assert 0 in (before, after) or before == after


def test_files_are_named_by_nothing_but_words(hostile_folder: Path) -> None:
    names = [path.name for path in (hostile_folder / "figures").iterdir()]
    assert all(re.fullmatch(r"[\w-]{1,80}\.(png|svg)", name) for name in names)


def test_a_style_that_begins_as_another_is_told_apart(hostile: tuple[Plan, Mapping[str, Findings]]) -> None:
    plan, findings = hostile
    rows = findings["robustness"].rows
    assert {row["style"] for row in rows} <= set(plan.styles)
    for row in rows:
        assert row["prompt"] in {f"{row['style']} {subject}" for subject in plan.subjects}
