"""Methods of a pipeline's parts that one thread overrides as long as a `with` block lasts.

Pipelines may share a scheduler, a text encoder or a denoiser, and several threads may use them at once. Each thread
meets its own overrides alone, and the last one that leaves puts the object back as it was.
"""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Override = Callable[..., Any]  # (former, *args, **kwargs) to what the call returns

_changing = threading.Lock()


@contextmanager
def overridden(owner: Any, name: str, override: Override) -> Iterator[None]:
    """Within the block and in this thread, `owner.name(...)` calls `override(former, ...)`.

    `former` is what the call would have reached otherwise: the method itself, or an override around the block.
    """
    thread = threading.get_ident()
    with _changing:
        dispatch = vars(owner).get(name)
        if not isinstance(getattr(dispatch, "overrides", None), _Overrides):
            dispatch = _dispatch(owner, name)
            setattr(owner, name, dispatch)
        overrides: _Overrides = dispatch.overrides
        overrides.of_thread.setdefault(thread, []).append(override)
    try:
        yield
    finally:
        with _changing:
            overrides.of_thread[thread].remove(override)
            if not overrides.of_thread[thread]:
                del overrides.of_thread[thread]
            if not overrides.of_thread and vars(owner).get(name) is dispatch:
                overrides.restore()


class _Overrides:
    """The overrides of a method, the innermost first, by the thread that they belong to."""

    def __init__(self, restore: Callable[[], None]) -> None:
        self.of_thread: dict[int, list[Override]] = {}
        self.restore = restore


def _dispatch(owner: Any, name: str) -> Any:
    """What stands in the method's place: it calls the overrides of the thread that calls it."""
    former = getattr(owner, name)
    attached = name in vars(owner)
    overrides = _Overrides(lambda: setattr(owner, name, former) if attached else delattr(owner, name))

    @functools.wraps(former)  # pipelines inspect signatures
    def dispatch(*args: Any, **kwargs: Any) -> Any:
        call = former
        for override in tuple(overrides.of_thread.get(threading.get_ident(), ())):
            call = functools.partial(override, call)
        return call(*args, **kwargs)

    dispatch.overrides = overrides  # type: ignore[attr-defined]
    return dispatch
