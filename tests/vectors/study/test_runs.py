"""Runs: what their keys depend on, what they need, and which of them share a call."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sega_vectors import Concept
from sega_vectors.study.runs import Applied, Derived, Nearest, Noise, Recorded, Run, Source, batches, with_needs

SETTING: dict[str, Any] = {"model": "embedded", "arguments": {"num_inference_steps": 2}}
GLASSES = Recorded(Concept("glasses", edit_warmup_steps=10), "a photograph of a man", 7)
HAT = Recorded(Concept("hat", edit_warmup_steps=10), "a photograph of a man", 8)
SHUFFLED = Applied.of(Derived("shuffled", (GLASSES,), 7.0), edit_guidance_scale=15.0)


def test_keys_of_pictures_that_were_made_stay() -> None:
    assert GLASSES.run.key(SETTING) == "d0b0bbd842f8f8c71ec74d99b3b006f8"
    mixed = Run("a drawing", Noise(7, 8, 0.25), applied=(SHUFFLED,))
    assert mixed.key(SETTING) == "e9de07f1644fafb519fc222cc29c99fd"


def test_each_fact_of_a_run_is_part_of_its_key() -> None:
    applied = Applied.of(GLASSES, edit_guidance_scale=15.0)
    run = Run("a man", Noise(7), applied=(applied,))
    distinct = [
        run,
        run.plain,
        replace(run, prompt="a woman"),
        replace(run, noise=Noise(8)),
        replace(run, noise=Noise(7, 8, 0.25)),
        replace(run, noise=Noise(7, 9, 0.25)),
        replace(run, noise=Noise(7, 8, 0.5)),
        run.sega(Concept("glasses")),
        replace(run.sega(Concept("glasses")), guide=False),
        run.sega(Concept("glasses"), Concept("hat")),
        run.sega(Concept("hat"), Concept("glasses")),
        replace(run, applied=(Applied.of(GLASSES),)),
        replace(run, applied=(Applied.of(GLASSES, edit_guidance_scale=10.0),)),
        replace(run, applied=(Applied.of(GLASSES, edit_threshold=0.95),)),
        replace(run, applied=(applied, applied)),
        replace(run, applied=(SHUFFLED,)),
        replace(run, applied=(replace(SHUFFLED, source=Derived("shuffled", (GLASSES,), 8.0)),)),
        replace(run, applied=(replace(SHUFFLED, source=Derived("stable", (GLASSES,), 7.0)),)),
        replace(run, applied=(Applied.of(Nearest((GLASSES, HAT))),)),
        replace(run, applied=(Applied.of(Nearest((GLASSES, HAT), 4)),)),
    ]
    keys = {one.key(SETTING) for one in distinct} | {run.key({**SETTING, "model": "another"})}
    assert len(keys) == len(distinct) + 1


def test_equal_runs_share_a_key_in_whatever_order_edits_are_named() -> None:
    one = Run("a man", Noise(7), applied=(Applied.of(GLASSES, edit_threshold=0.9, edit_guidance_scale=5.0),))
    other = Run("a man", Noise(7), applied=(Applied.of(GLASSES, edit_guidance_scale=5.0, edit_threshold=0.9),))
    assert one == other
    assert one.key(SETTING) == other.key(dict(reversed(SETTING.items())))


def test_recordings_come_first_and_nothing_twice() -> None:
    moved = Run("a woman", Noise(9), applied=(Applied.of(HAT), Applied.of(GLASSES)))
    derived = Run("a woman", Noise(9), applied=(Applied.of(Derived("mean", (GLASSES, HAT))),))
    found = with_needs([moved, derived, moved.plain, moved, HAT.run])
    assert found == [HAT.run, GLASSES.run, moved.plain, moved, derived]


def test_what_guides_is_taken_off() -> None:
    assert SHUFFLED.source == Derived("shuffled", (GLASSES,), 7.0)
    run = Run("a man", Noise(7, 8, 0.5), fresh=(Concept("hat"),), guide=False, applied=(SHUFFLED,))
    assert run.plain == Run("a man", Noise(7, 8, 0.5))
    assert run.sega(Concept("hat")) == Run("a man", Noise(7, 8, 0.5), fresh=(Concept("hat"),))
    assert list(run.needs) == [GLASSES.run]


CONCEPTS = st.sampled_from([Concept("glasses"), Concept("glasses", edit_guidance_scale=7.0), Concept("hat")])
NOISES = st.builds(Noise, st.integers(0, 3)) | st.just(Noise(0, 1, 0.5))
PROMPTS = st.sampled_from(["a man", "a woman", "a king"])
SOURCES: st.SearchStrategy[Source] = st.sampled_from([GLASSES, HAT, Derived("mean", (GLASSES, HAT)), Nearest((HAT,))])
RUNS = st.builds(
    Run, PROMPTS, NOISES, fresh=st.lists(CONCEPTS, min_size=1, max_size=2).map(tuple), guide=st.booleans()
) | st.builds(Run, PROMPTS, NOISES, applied=st.lists(st.builds(Applied, SOURCES), max_size=2).map(tuple))


@given(st.lists(RUNS, max_size=40, unique=True), st.integers(1, 7))
def test_batches_hold_every_run_once_and_only_what_one_call_can_make(runs: list[Run], size: int) -> None:
    made = batches(runs, size)
    assert Counter(run for batch in made for run in batch) == Counter(runs)
    for batch in made:
        assert 1 <= len(batch) <= size
        assert len({(run.fresh, run.guide or not run.fresh) for run in batch}) == 1
        if batch[0].fresh:
            assert len({run.noise.stored is None for run in batch}) == 1
        else:
            for run in batch:
                assert {other.applied for other in batch if other.noise == run.noise} == {run.applied}


@pytest.mark.parametrize("size", [1, 4, 100])
def test_batches_are_as_few_as_can_be_where_all_runs_are_alike(size: int) -> None:
    runs = [Run("a man", Noise(seed)) for seed in range(10)]
    assert len(batches(runs, size)) == -(-10 // size)
