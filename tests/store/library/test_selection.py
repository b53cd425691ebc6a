"""Selections, against the same questions asked of all rows in Python."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from random import Random

import pytest

from sega_store import Entry, InvalidInputError, Library, Selection
from sega_store.library.selection import ALL, GROUPED_BY, SORTS, groups
from tests.store.samples import noise, provenance, vector

COUNT = 24


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library in which every condition holds for some vectors."""
    folder = tmp_path_factory.mktemp("selection")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGA_VEC_CACHE", str(folder / "cache"))
        library = Library(folder / "library")
        for i in range(COUNT):
            initial = noise(i % 3)
            facts = replace(
                provenance(initial, prompt=f"a {('king', 'queen')[i % 2]} number{i}"),
                created=f"202{5 + i // 16}-0{1 + i // 6}-{10 + i // 3}T00:00:00Z",
            )
            facts = replace(facts, model=replace(facts.model, id=f"model {i // 8}"))
            identity = library.add(vector(f"concept {i % 4}", seed=i, facts=facts), initial)
            tags = [tag for tag, every in (("all", 1), ("some", 5)) if i % every == 0]
            library.annotate(identity, tags=tags, rating=(None, *range(1, 6))[i % 6])
    return folder / "library"


@pytest.fixture
def library(rows: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    monkeypatch.setenv("SEGA_VEC_CACHE", str(rows.parent / "cache"))
    return Library(rows)


SELECTIONS = [
    Selection(),
    Selection(query="king"),
    Selection(query="number1"),
    Selection(concept="concept 1"),
    Selection(model="model 1"),
    Selection(noise=noise(1).sha256),
    Selection(noise=noise(1).sha256[:6].upper()),
    Selection(tag="some"),
    Selection(rating=3),
    Selection(date="2026"),
    Selection(date="2025-02"),
    Selection(date="2025-02-12"),
    Selection("queen", "concept 1", "model 0", noise(1).sha256, "all", 1, "2025-01"),
    Selection(query="king", tag="some", rating=2),
    Selection(concept="none such"),
    Selection(seeds=(2, 1, 99)),
    Selection(seeds=()),
    Selection(since=datetime(2026, 3, 15)),
    Selection(since=datetime(2026, 3, 15, 1, tzinfo=timezone(timedelta(hours=1)))),
    Selection(query="king", seeds=tuple(range(1, 100_000)), since=datetime(2025, 2, 12)),
]


def in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def holds(selection: Selection, row: Entry) -> bool:
    words = f"{row.concept} {row.prompt} {row.model} {' '.join(row.tags)}".split()
    return (
        all(any(word.startswith(asked) for word in words) for asked in selection.query.split())
        and selection.concept in (None, row.concept)
        and selection.model in (None, row.model)
        and row.noise.startswith((selection.noise or "").lower())
        and (selection.tag is None or selection.tag in row.tags)
        and (row.rating or 0) >= (selection.rating or 0)
        and row.created.startswith(selection.date or "")
        and (selection.seeds is None or row.seed in selection.seeds)
        and (selection.since is None or datetime.fromisoformat(row.created) >= in_utc(selection.since))
    )


def expected(library: Library, selection: Selection) -> list[Entry]:
    return [row for row in library.search() if holds(selection, row)]


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
@pytest.mark.parametrize("sort", SORTS)
def test_pages_join_to_the_whole_in_order(library: Library, selection: Selection, sort: str) -> None:
    newest_first = expected(library, selection)
    oldest_first = newest_first[::-1]
    whole = {
        "newest": newest_first,
        "oldest": oldest_first,
        "rating": sorted(newest_first, key=lambda row: -(row.rating or 0)),
        "concept": sorted(oldest_first, key=lambda row: row.concept),
    }[sort]
    found, last = list[Entry](), None
    while part := library.catalogue.page(selection, sort, last, 5):
        assert len(part) <= 5
        found, last = found + part, part[-1].id
    assert found == whole
    assert library.catalogue.page(selection, sort) == whole
    assert library.catalogue.total(selection) == len(whole)


def values(row: Entry, by: str) -> list[str]:
    rating = [] if row.rating is None else [str(row.rating)]
    of = {"rating": rating, "tag": [*row.tags], "month": [row.created[:7]]}
    return of[by] if by in of else [getattr(row, by)]


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
@pytest.mark.parametrize("by", GROUPED_BY)
def test_groups_count_what_is_there(library: Library, selection: Selection, by: str) -> None:
    rows = expected(library, selection)
    counts = Counter(value for row in rows for value in values(row, by))
    found = library.catalogue.groups(selection, by)
    assert {group.value: group.count for group in found} == counts
    for group in found:
        assert group.newest == next(row for row in rows if group.value in values(row, by))
    if by in ("rating", "month"):
        assert [group.value for group in found] == sorted(counts, reverse=True)
    else:
        assert [group.count for group in found] == sorted(counts.values(), reverse=True)
    assert [*library.catalogue.groups(selection, by, 2), *library.catalogue.groups(selection, by, offset=2)] == found


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_a_facet_ignores_its_own_condition(library: Library, selection: Selection) -> None:
    found = library.catalogue.facets(selection)
    assert found == {by: library.catalogue.groups(selection.without(by), by) for by in GROUPED_BY}
    assert library.catalogue.facets(selection, 1) == {by: groups[:1] for by, groups in found.items()}


def test_what_is_untagged_and_removed_is_counted_no_more(library: Library) -> None:
    identity = library.add(vector("other", seed=99))
    library.annotate(identity, tags=["gone", "kept"])
    library.annotate(identity, tags=["kept"])
    assert [group.value for group in library.catalogue.groups(Selection(concept="other"), "tag")] == ["kept"]
    library.remove(identity)
    assert {group.value for group in library.catalogue.groups(Selection(), "tag")} == {"all", "some"}


@pytest.mark.parametrize("date", ["", "26", "2026-1", "2026-01-1", "2026-01-01T", "now", "２０２６"])
def test_what_is_no_date_is_refused(date: str) -> None:
    with pytest.raises(InvalidInputError, match="A date is written"):
        Selection(date=date)


def test_unknown_orders_and_groups_are_refused(library: Library) -> None:
    with pytest.raises(InvalidInputError, match="sort must be one of newest"):
        library.catalogue.page(sort="number; DROP TABLE vectors")
    with pytest.raises(InvalidInputError, match="Groups are by one of concept"):
        library.catalogue.groups(Selection(), "created")


def test_counts_follow_every_change(library: Library) -> None:
    """The counts that the catalogue keeps are those of its rows, however vectors come, change and go."""
    random = Random(0)
    ids: list[str] = []

    def check() -> None:
        for by in GROUPED_BY:
            counted = library.catalogue.groups(ALL, by)
            values: Callable[[Entry], Iterable[str]] = {
                "concept": lambda row: [row.concept], "model": lambda row: [row.model],
                "noise": lambda row: [row.noise], "month": lambda row: [row.created[:7]], "tag": lambda row: row.tags,
                "rating": lambda row: [] if row.rating is None else [str(row.rating)],
            }[by]  # fmt: skip
            due: dict[str, list[str]] = {}
            for row in library.search():
                for value in values(row):
                    due.setdefault(value, []).append(row.id)
            assert {group.value: (group.count, group.newest.id) for group in counted} == {
                value: (len(found), found[0]) for value, found in due.items()
            }
            assert counted == library.catalogue.groups(Selection(query=" "), by), "which counts its rows"

    for round in range(40):
        if ids and random.random() < 0.3:
            library.remove(ids.pop(random.randrange(len(ids))))
        elif ids and random.random() < 0.5:
            library.annotate(random.choice(ids), tags=random.sample("abc", 2), rating=random.choice([None, 1, 5]))
        else:
            facts = replace(provenance(), created=f"2026-0{1 + round % 3}-01T00:00:{round:02}Z")
            ids.append(library.add(vector(random.choice(["glasses", "smile"]), seed=round, facts=facts)))
        if round % 8 == 7:
            check()


@pytest.mark.parametrize("by", GROUPED_BY)
def test_groups_of_the_whole_library_are_looked_up(library: Library, by: str) -> None:
    library.add(vector())

    def steps(db: sqlite3.Connection) -> list[str]:
        asked: list[str] = []
        db.set_trace_callback(asked.append)
        groups(db, ALL, by, 12, 0)
        db.set_trace_callback(None)
        return [row[-1] for sql in asked for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]

    assert not [step for step in library.catalogue.ask(steps) if step.startswith("SCAN")]


def test_facets_of_a_large_selection_are_counted_among_its_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library(tmp_path / "few")
    for seed in range(6):
        facts = replace(provenance(), created=f"2026-01-01T00:00:0{seed}Z")
        library.add(vector("old" if seed < 3 else "new", seed=seed, facts=facts))
    monkeypatch.setattr("sega_store.library.selection.MOST_COUNTED", 4)

    def counts(selection: Selection) -> dict[str, int]:
        return {group.value: group.count for group in library.catalogue.facets(selection)["concept"]}

    assert counts(ALL) == {"old": 3, "new": 3}
    assert counts(Selection("king")) == counts(Selection(date="2026")) == {"old": 1, "new": 3}
