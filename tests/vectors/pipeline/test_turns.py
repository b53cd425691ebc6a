"""Whose call it is, and who has to wait."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import pytest
from diffusers import DDIMScheduler, DiffusionPipeline

from sega_vectors import PipelineError
from sega_vectors.pipeline.turns import in_call_of, one_at_a_time, tokenizing


class Calling(DiffusionPipeline):  # type: ignore[misc]
    """A pipeline whose call is that of a function."""

    def __call__(self, function: Callable[[], Any]) -> Any:
        return function()


def sharing(scheduler: Any, *tokenizers: Any) -> Any:
    named = {f"tokenizer_{i}": tokenizer for i, tokenizer in enumerate(tokenizers)}
    return SimpleNamespace(scheduler=scheduler, components={"scheduler": scheduler, "text_encoder": object(), **named})


def waits(held: AbstractContextManager[None], other: AbstractContextManager[None]) -> bool:
    """Whether a thread that enters `other` waits until this one leaves `held`."""
    entered = threading.Event()

    def enter() -> None:
        with other:
            entered.set()

    thread = threading.Thread(target=enter, daemon=True)
    with held:
        thread.start()
        waited = not entered.wait(0.2)
    thread.join(10)
    assert entered.is_set()
    return waited


class Tokenizer:
    """What locks can be kept for."""


def test_a_call_is_of_the_innermost_pipeline_that_this_thread_is_in() -> None:
    pipe, other = Calling(), Calling()
    assert not in_call_of(pipe)
    assert pipe(lambda: in_call_of(pipe))
    assert not pipe(lambda: in_call_of(other))
    assert not pipe(lambda: other(lambda: in_call_of(pipe)))
    assert pipe(lambda: other(lambda: in_call_of(other)))
    found: list[bool] = []

    def ask_in_a_thread() -> None:
        thread = threading.Thread(target=lambda: found.append(in_call_of(pipe)))
        thread.start()
        thread.join()

    pipe(ask_in_a_thread)
    assert found == [False]


def test_a_call_of_a_pipeline_within_a_pipeline_is_the_outer_one_s() -> None:
    pipe, part = Calling(), Calling()
    pipe.prior = part
    assert pipe(lambda: part(lambda: in_call_of(pipe)))
    assert not pipe(lambda: in_call_of(part))


def test_a_scheduler_serves_one_thread_at_a_time() -> None:
    one, other = DDIMScheduler(), DDIMScheduler()
    assert waits(one_at_a_time(sharing(one)), one_at_a_time(sharing(one)))
    assert not waits(one_at_a_time(sharing(one)), one_at_a_time(sharing(other)))


def test_a_thread_that_would_wait_for_itself_is_refused_until_it_is_done() -> None:
    pipe = sharing(DDIMScheduler())
    for _ in range(2):  # the turn is given back also after an error
        with one_at_a_time(pipe), one_at_a_time(sharing(DDIMScheduler())):
            pass
        with (
            pytest.raises(PipelineError, match="met a second within the first"),
            one_at_a_time(pipe),
            one_at_a_time(pipe),
        ):
            pass


def test_tokenizers_serve_one_thread_at_a_time() -> None:
    one, two = Tokenizer(), Tokenizer()
    assert waits(tokenizing(sharing(None, one)), tokenizing(sharing(None, two, one)))
    assert not waits(tokenizing(sharing(None, one, None)), tokenizing(sharing(None, two, None)))
    with tokenizing(sharing(None, one)), tokenizing(sharing(None, one)):
        pass


def test_threads_that_need_the_same_tokenizers_do_not_wait_for_each_other_for_good() -> None:
    one, two = Tokenizer(), Tokenizer()
    entered = []

    def enter(*tokenizers: Any) -> None:
        for _ in range(500):
            with tokenizing(sharing(None, *tokenizers)):
                pass
        entered.append(1)

    threads = [threading.Thread(target=enter, args=pair, daemon=True) for pair in ((one, two), (two, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(entered) == 2
