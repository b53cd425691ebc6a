"""Whose call it is: hooks sit on parts that pipelines and threads share, and act on one call of one pipeline alone."""

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from diffusers import DiffusionPipeline
from diffusers.modular_pipelines import ModularPipeline

from sega_store import PipelineError


class _Turn:
    """Who may make a guided call with a scheduler."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.thread: int | None = None


_turns: "WeakKeyDictionary[Any, _Turn]" = WeakKeyDictionary()
_tokenizer_locks: "WeakKeyDictionary[Any, threading.RLock]" = WeakKeyDictionary()
_making = threading.Lock()


@contextmanager
def one_at_a_time(pipe: DiffusionPipeline) -> Iterator[None]:
    """Wait until no other thread makes a guided call with the pipeline's scheduler, and keep it until the block ends.

    A scheduler holds the state of one run, so that pipelines which share one can't run at once. Pipelines with
    schedulers of their own do, whatever else they share.

    Raises:
        PipelineError: This thread is in the middle of such a call, as in a callback.
    """
    with _making:
        turn = _turns.setdefault(pipe.scheduler, _Turn())
    if turn.thread == threading.get_ident():
        raise PipelineError(
            "a scheduler serves one guided call at a time, met a second within the first: make it after the first, or"
            " with a pipeline that has a scheduler of its own"
        )
    with turn.lock:
        turn.thread = threading.get_ident()
        try:
            yield
        finally:
            turn.thread = None


@contextmanager
def tokenizing(pipe: DiffusionPipeline) -> Iterator[None]:
    """Keep other threads from the pipeline's tokenizers until the block ends.

    A tokenizer keeps how it pads and truncates as state, which pipelines change between two calls of it.
    """
    tokenizers = [part for name, part in pipe.components.items() if name.startswith("tokenizer") and part is not None]
    with _making:
        locks = [_tokenizer_locks.setdefault(tokenizer, threading.RLock()) for tokenizer in sorted(tokenizers, key=id)]
    with ExitStack() as held:
        for lock in locks:  # in one order, so that no two threads wait for each other
            held.enter_context(lock)
        yield


def in_call_of(pipe: DiffusionPipeline) -> bool:
    """Whether the innermost call of a pipeline that this thread is in is one of `pipe`, or of a pipeline in it."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "__call__":
            variables = frame.f_locals
            owner = variables.get("self")
            if isinstance(variables, dict):  # up to Python 3.12 a copy, which would keep the tensors in it alive
                variables.clear()
            if isinstance(owner, DiffusionPipeline | ModularPipeline):
                return owner is pipe or any(owner is part for part in vars(pipe).values())
        frame = frame.f_back  # type: ignore[assignment]
    return False
