"""Attributes of a pipeline's parts that are replaced as long as a `with` block lasts."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Give an object an attribute of its own; when the block ends its former one, or its class's, shows again."""
    attached, former = name in vars(owner), getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if attached:
            setattr(owner, name, former)
        else:
            delattr(owner, name)
