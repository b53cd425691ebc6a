"""Event streams."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sega_cli.browse.jobs import streams
from sega_cli.browse.jobs.streams import Streams, TooManyStreamsError


def told(states: list[tuple[dict[str, Any], bool]], most: int = 5, ended: int = 10**6) -> list[str]:
    """What a stream tells of states that are looked at one after the other."""
    looked = 0

    def state() -> tuple[dict[str, Any], bool]:
        nonlocal looked
        looked += 1
        return states[min(looked, len(states)) - 1]

    async def collect() -> list[str]:
        opened = Streams(most)
        found: list[str] = []
        events = opened.events(state, lambda: looked >= ended)
        async for event in events:
            assert opened.open == 1
            found.append(event)
            if len(found) > 20:
                await events.aclose()
                break
        assert opened.open == 0
        return found

    with ThreadPoolExecutor(1) as thread:  # playwright leaves a loop running in this one
        return thread.submit(lambda: asyncio.run(collect())).result()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PAUSE_SECONDS", 0.001)


def test_only_changes_are_told_and_the_last_ends_it() -> None:
    same, last = {"step": 1}, {"step": 2}
    assert told([(same, False), (same, False), (same, False), (last, True), ({"step": 3}, False)]) == [
        'data: {"step": 1}\n\n',
        'data: {"step": 2}\n\n',
    ]


def test_silence_is_broken_by_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.005)
    found = told([({}, False)])
    assert found[0] == "data: {}\n\n"
    assert set(found[1:]) == {": still here\n\n"}
    assert len(found) == 21


def test_a_server_that_ends_is_not_held_up() -> None:
    assert told([({}, False)], ended=7) == ["data: {}\n\n"]


def test_a_line_of_the_text_cannot_forge_an_event() -> None:
    (event,) = told([({"text": "a\n\ndata: {}"}, True)])
    assert event.count("\n") == 2


def test_there_are_not_too_many() -> None:
    opened = Streams(2)
    opened.check()
    opened.open = 2
    with pytest.raises(TooManyStreamsError, match="2 pages follow jobs"):
        opened.check()
