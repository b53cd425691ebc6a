"""Some vectors of a library: which, in what order, and how many there are of each concept, model, noise and so on.

A page is found by the last vector of the page before it, never by counting rows, so the thousandth costs what the first
does. Of the whole library, the selection that is asked for most, the groups are counted by triggers as vectors come and
go; of any other when they are asked for.
"""

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sega_store.errors import InvalidInputError
from sega_store.places.rows import NO_LIMIT, select
from sega_store.records import rules
from sega_store.records.entry import Entry

AFTER_ALL_DIGITS = "g"  # sorts after every text that goes on from a prefix with a hexadecimal digit or a dot


MONTH = "substr(created, 1, 7)"
RANK = "ifnull(rating, 0)"
SORTS = {
    "newest": ("DESC", "number"),
    "oldest": ("ASC", "number"),
    "rating": ("DESC", RANK, "number"),
    "concept": ("ASC", "concept", "number"),
}
GROUPS = {"concept": "concept", "model": "model", "noise": "noise", "month": MONTH, "rating": "rating", "tag": "tag"}
GROUPED_BY = tuple(GROUPS)
MOST_COUNTED = 10_000

_MATCHING = "(SELECT rowid AS hit FROM texts WHERE texts MATCH ?) CROSS JOIN vectors ON number = hit"
_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")


@dataclass(frozen=True)
class Selection:
    """Which vectors of a library; all conditions must hold, and those that are None always do.

    Attributes:
        query: Words, each of which must begin a word of the concept, prompt, name, model, tags or notes.
        concept: The concept's text.
        model: The model's name.
        noise: The beginning of the noise's hash.
        tag: One of the tags.
        rating: The least rating.
        date: The year, month or day of the recording in UTC, such as `2026`, `2026-01` or `2026-01-31`.
        seeds: The seed of the noise is one of these.
        since: The earliest time of the recording; in UTC, if it has no time zone.

    Raises:
        InvalidInputError: The date has another form.
    """

    query: str = ""
    concept: str | None = None
    model: str | None = None
    noise: str | None = None
    tag: str | None = None
    rating: int | None = None
    date: str | None = None
    seeds: tuple[int, ...] | None = None
    since: datetime | None = None

    def __post_init__(self) -> None:
        rules.instance("A query", self.query, str, "pass words")
        if self.date is not None and not _DATE.fullmatch(self.date):
            raise InvalidInputError(f"A date is written as 2026, 2026-01 or 2026-01-31, met {self.date!r}.")

    def without(self, group: str) -> "Selection":
        """The same without the condition that a group is about."""
        condition: dict[str, Any] = {"date" if group == "month" else group: None}
        return replace(self, **condition)


ALL = Selection()


@dataclass(frozen=True)
class Group:
    """The vectors of a selection that share something.

    Attributes:
        value: What they share.
        count: How many there are.
        newest: The one that was recorded last.
    """

    value: str
    count: int
    newest: Entry


def page(db: sqlite3.Connection, selection: Selection, sort: str, after: str | None, limit: int | None) -> list[Entry]:
    """Rows of a selection in an order of `SORTS`, from the beginning or after the vector with an id."""
    if sort not in SORTS:
        raise InvalidInputError(f"sort must be one of {', '.join(SORTS)}, met {sort!r}.")
    source, where, values = _conditions(selection)
    direction, *keys = SORTS[sort]
    if after is not None:
        last = f"(SELECT {', '.join(keys)} FROM vectors WHERE id = ?)"
        where.append(f"({', '.join(keys)}) {'<' if direction == 'DESC' else '>'} {last}")
        values.append(after)
    # by the full text's own column of numbers: so SQLite sorts nothing and stops at the limit
    ordered = ["hit" if key == "number" and source != "vectors" else key for key in keys]
    order = ", ".join(f"{key} {direction}" for key in ordered)
    return select(db, " AND ".join(where), values, limit, source, order)


def total(db: sqlite3.Connection, selection: Selection) -> int:
    """The number of vectors of a selection."""
    source, where, values = _conditions(selection)
    return int(db.execute(f"SELECT count(*) FROM {source} WHERE {' AND '.join(where)}", values).fetchone()[0])


def groups(db: sqlite3.Connection, selection: Selection, by: str, limit: int | None, offset: int) -> list[Group]:
    """What the vectors of a selection have in common, by one of `GROUPED_BY`; the largest group first."""
    if by not in GROUPED_BY:
        raise InvalidInputError(f"Groups are by one of {', '.join(GROUPED_BY)}, met {by!r}.")
    return _groups(db, by, _materialised(db, selection), limit, offset)


def facets(db: sqlite3.Connection, selection: Selection, limit: int | None) -> dict[str, list[Group]]:
    """For each of `GROUPED_BY`, the groups of the selection without its own condition: what else could be chosen. They
    are counted among the newest `MOST_COUNTED` of it, unless it is the whole library."""
    found: dict[str, list[Group]] = {}
    rests = {by: selection.without(by) for by in GROUPED_BY}
    for rest in dict.fromkeys(rests.values()):
        source = _materialised(db, rest, MOST_COUNTED)
        found |= {by: _groups(db, by, source, limit) for by in GROUPED_BY if rests[by] == rest}
    return found


def counting(kind: str) -> Iterator[str]:
    """The triggers that keep count of one of `GROUPS` in the table `counts`."""
    table, column = "tags" if kind == "tag" else "vectors", GROUPS[kind]
    new, old = (re.sub(r"[a-z]{3,}(?![a-z(])", rf"{row}.\g<0>", column) for row in ("new", "old"))
    more = f"""INSERT INTO counts SELECT '{kind}', {new}, 1, new.number WHERE {new} IS NOT NULL
        ON CONFLICT DO UPDATE SET count = count + 1, newest = max(newest, excluded.newest);"""
    fewer = f"""UPDATE counts SET count = count - 1, newest = CASE WHEN newest != old.number THEN newest
            ELSE ifnull((SELECT max(number) FROM {table} WHERE {column} = {old}), 0) END
            WHERE kind = '{kind}' AND value = {old};
        DELETE FROM counts WHERE kind = '{kind}' AND value = {old} AND count = 0;"""
    yield f"CREATE TRIGGER more_{kind} AFTER INSERT ON {table} BEGIN {more} END"
    yield f"CREATE TRIGGER fewer_{kind} AFTER DELETE ON {table} BEGIN {fewer} END"
    if kind == "rating":  # of the groups' columns the only one that changes
        yield f"CREATE TRIGGER other_{kind} AFTER UPDATE OF {column} ON {table} BEGIN {fewer} {more} END"


def _materialised(db: sqlite3.Connection, selection: Selection, limit: int = NO_LIMIT) -> str:
    """The table of a selection, or its newest, looked up once for several counts; of the whole library there are counts
    already."""
    if selection == ALL:
        return "counts"
    source, where, values = _conditions(selection)
    db.execute("PRAGMA temp_store = MEMORY")
    db.execute("DROP TABLE IF EXISTS selected")
    newest = "number" if source == "vectors" else "hit"
    db.execute(
        "CREATE TEMP TABLE selected AS SELECT number, concept, model, noise, created, rating"
        f" FROM {source} WHERE {' AND '.join(where)} ORDER BY {newest} DESC LIMIT ?",
        [*values, limit],
    )
    return "selected"


def _groups(db: sqlite3.Connection, by: str, source: str, limit: int | None, offset: int = 0) -> list[Group]:
    column = GROUPS[by]
    order = "1 DESC" if by in ("rating", "month") else "2 DESC, 3 DESC, 1 DESC"
    if source == "counts":
        counted = f"SELECT value, count, newest FROM counts WHERE kind = '{by}'"
    else:
        source = f"{source} CROSS JOIN tags USING (number)" if by == "tag" else source
        counted = f"SELECT {column}, count(*), max(number) FROM {source} WHERE {column} IS NOT NULL GROUP BY 1"
    limits = NO_LIMIT if limit is None else limit, offset
    rows = db.execute(f"{counted} ORDER BY {order} LIMIT ? OFFSET ?", limits).fetchall()
    return [Group(str(value), count, select(db, "number = ?", (newest,))[0]) for value, count, newest in rows]


def _conditions(selection: Selection) -> tuple[str, list[str], list[object]]:
    """The source of a selection's rows, what must hold for them, and the values of both."""
    where, values = ["1"], list[object]()

    def add(condition: str, *given: object) -> None:
        where.append(condition)
        values.extend(given)

    asked = {"concept": selection.concept, "model": selection.model}
    texts = {column: rules.composed(text) for column, text in asked.items() if text is not None}
    for column, text in texts.items():
        add(f"{column} = ?", text)
    if selection.noise is not None:
        noise = selection.noise.lower()
        if len(noise) == 64:
            add("noise = ?", noise)
        else:
            add("noise >= ? AND noise < ?", noise, noise + AFTER_ALL_DIGITS)
    if selection.tag is not None:
        add("number IN (SELECT number FROM tags WHERE tag = ?)", rules.composed(selection.tag))
    if selection.rating is not None:
        add("rating >= ?", selection.rating)
    if selection.date is not None:
        if len(selection.date) >= len("2026-01"):
            add(f"{MONTH} = ?", selection.date[:7])
        add("substr(created, 1, ?) = ?", len(selection.date), selection.date)
    if selection.seeds is not None:
        add("seed IN (SELECT value FROM json_each(?))", json.dumps([*map(str, selection.seeds)]))
    if selection.since is not None:
        since = selection.since if selection.since.tzinfo is None else selection.since.astimezone(UTC)
        add("created >= ?", since.replace(tzinfo=None).isoformat())
    if not selection.query.strip():
        return "vectors", where, values
    return _MATCHING, where, [_match(selection.query, texts), *values]


def _match(query: str, texts: dict[str, str]) -> str:
    """A user's text as an FTS5 expression: rows with a word that starts with each of its words.

    The words of the columns that are asked for must occur too, so that few rows are left to be compared with them.
    """
    words = [f'"{word}"*' for word in _words(query)] or ['""']
    words += [f'{column} : "{word}"' for column, text in texts.items() for word in _words(text)]
    return " AND ".join(words)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", rules.composed(text))
