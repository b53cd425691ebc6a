import random
import sqlite3
import time
import tracemalloc
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sega_store import Entry, InvalidInputError
from sega_store.places.bucket_segment import MAX_SEGMENT_BYTES, State, latest, read_segment, write_segment

ENTRY = Entry(
    f"{'a' * 64}.{'b' * 64}", "mine", "glasses", "a king", "embedded", 21, "c" * 64, 3, (3, 2, 4, 4), "float16", 7, 999,
    "2026-01-01T00:00:00.000000Z", ("a", "b"), 5, "notes",
)  # fmt: skip


def state(digit: str = "a", version: int = 1, changed: int = 5, **facts: object) -> State:
    identity = f"{digit * 64}.{'b' * 64}"
    return State(identity, version, changed, replace(ENTRY, id=identity, **facts))  # type: ignore[arg-type]


def altered(*statements: str) -> bytes:
    """A segment of two states after some SQL."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.deserialize(write_segment([state("a"), state("b")]))
        for statement in statements:
            db.execute(statement)
        return db.serialize()


@settings(max_examples=50)
@given(
    st.builds(
        replace,
        st.just(ENTRY),
        name=st.none() | st.just("ä name"),
        concept=st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip),
        prompt=st.text(st.characters(codec="utf-8")),
        seed=st.none() | st.integers(0, (1 << 64) - 1),
        tags=st.sampled_from([(), ("a",), ("a", "b c")]),
        rating=st.none() | st.integers(1, 5),
        notes=st.text(st.characters(codec="utf-8"), max_size=50),
    )
)
def test_what_is_written_is_read(entry: Entry) -> None:
    states = [State(ENTRY.id, 3, 1, entry), State(ENTRY.id.replace("a", "d"), 4, 2, None)]
    assert read_segment(write_segment(states)) == states


def test_the_later_state_counts() -> None:
    first, second = state(version=1, name="first"), state(version=2, name="second")
    removed = replace(second, entry=None)
    assert latest([second, first]) == latest([first, second]) == [second]
    assert latest([removed, first]) == [removed]
    assert latest([removed, second]) == [second]
    assert latest([state("c"), state("b")]) == [state("b"), state("c")]
    newer = replace(second, changed=6)
    assert latest([newer, second]) == [newer]


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("CREATE TABLE other (x)", "other tables"),
        ("CREATE VIEW other AS SELECT 1", "other tables"),
        ("CREATE INDEX other ON states (name)", "other tables"),
        ("CREATE TRIGGER other AFTER INSERT ON states BEGIN DELETE FROM states; END", "other tables"),
        ("ALTER TABLE states ADD COLUMN more TEXT", "other tables"),
        ("DROP TABLE states", "other tables"),
        ("PRAGMA user_version = 2", "version 2"),
        ("UPDATE states SET id = 'x' WHERE id > 'b'", "no id"),
        ("UPDATE states SET id = x'00' WHERE id > 'b'", "no id|another form"),
        ("UPDATE states SET version = 0", "version"),
        ("UPDATE states SET version = 'x'", "version"),
        ("UPDATE states SET changed = -1", "changed"),
        ("UPDATE states SET concept = ' '", "concept"),
        ("UPDATE states SET concept = NULL", "concept"),
        ("UPDATE states SET prompt = NULL", "another form"),
        ("UPDATE states SET model = x'41'", "model"),
        ("UPDATE states SET noise = '../..'", "noise"),
        ("UPDATE states SET seed = '1e9'", "another form"),
        ("UPDATE states SET seed = '-1'", "another form"),
        ("UPDATE states SET seed = '18446744073709551616'", "seed must be"),
        ("UPDATE states SET shape = '3 2'", "another form"),
        ("UPDATE states SET shape = '3 2 0'", "another form"),
        ("UPDATE states SET dtype = 'float64'", "row of"),
        ("UPDATE states SET nnz = 97", "row of"),
        ("UPDATE states SET bytes = -1", "bytes"),
        ("UPDATE states SET created = 'today'", "another form"),
        ("UPDATE states SET created = '2026-02-31T00:00:00.000000Z'", "a time is due"),
        ("UPDATE states SET name = 'a' || char(27)", "printable"),
        ("UPDATE states SET tags = ' x'", "printable"),
        ("UPDATE states SET rating = 6", "rating"),
        ("UPDATE states SET notes = zeroblob(10)", "another form"),
        ("UPDATE states SET notes = replace(hex(zeroblob(40000)), '0', 'x')", "bytes together"),
    ],
)
def test_what_breaks_a_rule_is_refused(statement: str, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        read_segment(altered(statement))


@pytest.mark.parametrize("data", [b"", b"x", b"SQLite format 3\0", b"SQLite format 3\0" + bytes(9000), bytes(4096)])
def test_what_is_no_segment_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInputError):
        read_segment(data)


def test_a_segment_is_bounded() -> None:
    with pytest.raises(InvalidInputError, match="limit"):
        read_segment(bytes(MAX_SEGMENT_BYTES + 1))


def test_damage_is_refused_or_harmless() -> None:
    """A page may hold bytes that nobody reads; all others are found, or make another valid row."""
    data = write_segment([state(digit, notes=digit * 50) for digit in "0123456789abcdef"])
    rng = random.Random(0)
    refused = 0
    tracemalloc.start()
    start = time.monotonic()
    for _ in range(500):
        broken = bytearray(data)
        for _ in range(rng.choice([1, 1, 4, 64])):
            broken[rng.randrange(len(data))] = rng.randrange(256)
        try:
            for one in read_segment(bytes(broken)):
                assert one.entry is None or one.entry.shape
        except InvalidInputError:
            refused += 1
    assert refused > 100
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()
    assert time.monotonic() - start < 20
    for size in range(0, len(data), 512):
        with pytest.raises(InvalidInputError):
            read_segment(data[:size])
