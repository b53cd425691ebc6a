"""What a study makes: pictures, each described in full by a value, so that it is made once and found again.

A `Run` says from which noise and prompt a picture is made and what guides it. Its key is the hash of that
description and of the setting, so points of a study share the runs that they have in common, and an interrupted
study goes on where it was.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from sega_store import Concept
from sega_store.records.json_record import canonical_json


@dataclass(frozen=True)
class Noise:
    """An initial noise.

    Attributes:
        seed: The seed of a fresh generator.
        stored: The seed of another noise that is mixed in, if any.
        share: How far the mixture lies towards `stored` on the arc between the two, 0 to 1.
    """

    seed: int
    stored: int | None = None
    share: float = 0.0


@dataclass(frozen=True)
class Recorded:
    """The vector that is recorded from one concept's run.

    Attributes:
        concept: The concept with the edit parameters of the recording.
        prompt: The prompt of the run.
        seed: The seed of its initial noise.
        guide: Whether the concept guided the run.
    """

    concept: Concept
    prompt: str
    seed: int
    guide: bool = True

    @property
    def run(self) -> "Run":
        """The run that is recorded."""
        return Run(self.prompt, Noise(self.seed), fresh=(self.concept,), guide=self.guide)


@dataclass(frozen=True)
class Derived:
    """A vector that is made from recorded ones.

    Attributes:
        how: One of the ways in `sega_vectors.study.derive`.
        parents: What it is made from.
        amount: The way's parameter, if it has one.
    """

    how: str
    parents: tuple[Recorded, ...]
    amount: float | None = None


@dataclass(frozen=True)
class Nearest:
    """The vector whose initial noise is nearest to the run's.

    Attributes:
        parents: The vectors to choose from.
        low_pass: The side, in entries, of the squares that noises are averaged over before they are compared.
    """

    parents: tuple[Recorded, ...]
    low_pass: int = 1


Source: TypeAlias = Recorded | Derived | Nearest


@dataclass(frozen=True)
class Applied:
    """A vector that is added to a run.

    Attributes:
        source: The vector; one from another noise is moved to the run's.
        edits: Names and values of the edit parameters that differ from the recording, as `Applier` takes them.
    """

    source: Source
    edits: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, source: Source, **edits: Any) -> "Applied":
        """A vector with edit parameters given by name."""
        return cls(source, tuple(sorted(edits.items())))


@dataclass(frozen=True)
class Run:
    """One picture; it is plain if nothing guides it.

    Attributes:
        prompt: The prompt.
        noise: The initial noise.
        fresh: Concepts that SEGA itself is run with; they are recorded.
        guide: Whether they guide the run.
        applied: Vectors that are added.
    """

    prompt: str
    noise: Noise
    fresh: tuple[Concept, ...] = ()
    guide: bool = True
    applied: tuple[Applied, ...] = ()

    @property
    def plain(self) -> "Run":
        """The same without guidance."""
        return Run(self.prompt, self.noise)

    def sega(self, *concepts: Concept) -> "Run":
        """The same prompt and noise with SEGA itself."""
        return Run(self.prompt, self.noise, fresh=concepts)

    @property
    def needs(self) -> Iterator["Run"]:
        """The recordings that must be made before."""
        for applied in self.applied:
            source = applied.source
            for recorded in (source,) if isinstance(source, Recorded) else source.parents:
                yield recorded.run

    def key(self, setting: Mapping[str, Any]) -> str:
        """A name of 32 hexadecimal digits.

        Args:
            setting: What all runs of a study share, as plain JSON: the model, its dtype, the arguments of its call.
        """
        return hashlib.sha256(canonical_json({"setting": setting, "run": asdict(self)})).hexdigest()[:32]


def with_needs(runs: Iterable[Run]) -> list[Run]:
    """The runs without repeats, each after those that it needs."""
    ordered: dict[Run, None] = {}
    for run in runs:
        ordered.update(dict.fromkeys(run.needs))
        ordered[run] = None
    return sorted(ordered, key=lambda run: bool(run.applied))  # the sort is stable, and recordings need nothing


def batches(runs: Sequence[Run], size: int) -> list[list[Run]]:
    """Runs that one call of the pipeline can make together.

    Recordings share a call if they share their concepts. Vectors act on the samples that start from their noise, so
    two runs from one noise share a call only if they are guided by the same.

    Args:
        runs: What to make.
        size: The most pictures in one call.
    """
    done: list[list[Run]] = []
    unfinished: dict[Any, list[dict[Noise, list[Run]]]] = {}
    for run in runs:
        alike = (run.fresh, run.guide, run.fresh and run.noise.stored is not None)
        for batch in unfinished.setdefault(alike, []):
            beside = batch.get(run.noise)
            if beside is None or run.fresh or beside[0].applied == run.applied:
                break
        else:
            batch = {}
            unfinished[alike].append(batch)
        batch.setdefault(run.noise, []).append(run)
        if sum(map(len, batch.values())) == size:
            done.append([run for runs in batch.values() for run in runs])
            unfinished[alike] = [other for other in unfinished[alike] if other is not batch]
    rest = [batch for open_batches in unfinished.values() for batch in open_batches]
    return done + [[run for runs in batch.values() for run in runs] for batch in rest]
