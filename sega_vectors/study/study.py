"""A study from its plan to its report."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from sega_store import InvalidInputError, Library
from sega_vectors.judging.judges import PictureJudge
from sega_vectors.pipeline.loading import dtype_of
from sega_vectors.study.evidence import Evidence, judge_all
from sega_vectors.study.findings import Findings
from sega_vectors.study.laboratory import Archive, make_all
from sega_vectors.study.plan import Plan
from sega_vectors.study.points import POINTS
from sega_vectors.study.runs import Run, with_needs

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Study:
    """Some points of a plan, in a folder.

    Attributes:
        plan: What is studied.
        points: Names of `POINTS`.
        folder: The folder for the pictures and the judge's answers; an interrupted study goes on from there.
        library: The library for the vectors.
        device: As `load_pipeline` takes it.
        dtype: As `load_pipeline` takes it; pictures of several precisions may share a folder.

    Raises:
        InvalidInputError: A point is unknown.
    """

    plan: Plan
    points: Sequence[str]
    folder: Path
    library: Library
    device: str = "auto"
    dtype: str = "auto"

    def __post_init__(self) -> None:
        for name in self.points:
            if name not in POINTS:
                raise InvalidInputError(f"a point is one of {', '.join(POINTS)}; met {name!r}")

    @cached_property
    def archive(self) -> Archive:
        """The archive of its pictures.

        Raises:
            InvalidInputError: The device or dtype is unknown.
        """
        dtype = dtype_of(self.plan.model, self.device, self.dtype)
        setting = {"model": self.plan.model, "dtype": dtype, "arguments": dict(self.plan.arguments)}
        return Archive(self.folder / "pictures", setting)

    @cached_property
    def runs(self) -> Sequence[Run]:
        """All runs that it makes, recordings first."""
        return with_needs(run for name in self.points for run in POINTS[name].runs(self.plan))

    def missing(self) -> list[Run]:
        """The runs that were not made yet."""
        return self.archive.missing(self.runs)

    def make(self, progress: Progress = lambda made: None, *, batch_size: int = 8, jobs: int = 1) -> None:
        """Make the pictures that are missing, as `make_all` does."""
        make_all(
            self.archive,
            self.library,
            self.runs,
            device=self.device,
            batch_size=batch_size,
            jobs=jobs,
            progress=progress,
        )

    def evidence(self, judge: PictureJudge, progress: Progress = lambda judged: None) -> Evidence:
        """Judge the pictures, all of which were made."""
        memory = self.folder / f"judged-by-{quote(self.plan.judge, safe='')}.json"
        return Evidence(
            self.plan, self.archive, self.library, judge_all(self.archive, self.runs, judge, memory, progress)
        )

    def findings(self, evidence: Evidence) -> Mapping[str, Findings]:
        """What each point finds."""
        return {name: POINTS[name].findings(evidence) for name in self.points}


def read_plan(path: Path) -> Plan:
    """A plan from the JSON that a report keeps.

    Raises:
        InvalidInputError: The file isn't a plan.
    """
    try:
        return Plan.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"a plan is a JSON file that a study wrote; {path} can't be read: {error}") from error
