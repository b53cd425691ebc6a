"""A writer that adds, removes, annotates and lists until it is killed, and tells in a log what was acknowledged.

Vectors are of three kinds: `SHARED` ones, that all writers add and nobody removes; `CONTENDED` ones, that all writers
add and remove; and each writer's `own`, that only it adds, removes and annotates.
"""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sega_store import GuidanceVector, Library, UnknownRefError

from .samples import noise, provenance, vector

NOISES = [noise(seed, (4, 16, 16)) for seed in range(4)]


def _vector(text: str, number: int, of: int) -> GuidanceVector:
    return vector(text, (3, 4, 16, 16), seed=number, facts=provenance(NOISES[of], prompt=f"{text} {number}"))


SHARED = [_vector("shared", number, number % 2) for number in range(8)]
CONTENDED = [_vector("contended", number, 1 + number % 2) for number in range(6)]
VECTORS = {each.id: each for each in SHARED + CONTENDED}
NOISE_OF = {each.sha256: each for each in NOISES}


def own(writer: int) -> list[GuidanceVector]:
    """The vectors that only one writer touches; their noise 3 only writers' own vectors need."""
    return [_vector(f"own {writer}", number, 2 + number % 2) for number in range(3)]


class Writer:
    """Works on a library at random.

    Attributes:
        done: How often each operation was acknowledged.
    """

    def __init__(self, library: Library, number: int, log: Path, seed: int) -> None:
        self._library = library
        self._own = own(number)
        self._rng = random.Random(seed)
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.done: dict[str, int] = {}

    def step(self) -> None:
        """Does one thing. Any exception is a failure, but that another has removed what it works on."""
        rng, library = self._rng, self._library
        mine, any_of = rng.choice(self._own), rng.choice(CONTENDED)
        shared = rng.choice(SHARED)
        rating = rng.randint(1, 5)
        what: tuple[str, GuidanceVector, Callable[[], object]] = rng.choice(
            [
                ("add", mine, lambda: library.add(mine, NOISE_OF[mine.provenance.noise.sha256])),
                ("add", any_of, lambda: library.add(any_of, NOISE_OF[any_of.provenance.noise.sha256])),
                ("add", shared, lambda: library.add(shared, NOISE_OF[shared.provenance.noise.sha256])),
                ("remove", mine, lambda: library.remove(mine.id)),
                ("remove", any_of, lambda: library.remove(any_of.id)),
                ("annotate", mine, lambda: library.annotate(mine.id, rating=rating)),
                ("annotate", any_of, lambda: library.annotate(any_of.id, notes=f"note {rating}")),
                ("list", shared, lambda: (len(library), library.search("sha", limit=3), library.catalogue.damaged())),
                ("read", any_of, lambda: (library[any_of.id], library.noise(any_of.id))),
            ]
        )
        operation, about, run = what
        self.tell("begin", operation, about.id, rating)
        try:
            run()
        except UnknownRefError:
            if operation == "add":
                raise
            self.tell("unknown", operation, about.id, rating)
        else:
            self.tell("done", operation, about.id, rating)
        self.done[operation] = self.done.get(operation, 0) + 1

    def tell(self, *line: Any) -> None:
        """Writes a line to the log, whole or not at all."""
        os.write(self._log, json.dumps(line).encode() + b"\n")
