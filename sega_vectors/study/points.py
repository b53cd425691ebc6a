"""The points of a study, by name, in the order of the report."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sega_vectors.study import another_noise, choices, composition, isolation, monotonicity, robustness, transfer
from sega_vectors.study.evidence import Evidence
from sega_vectors.study.findings import Findings
from sega_vectors.study.plan import Plan
from sega_vectors.study.runs import Run


@dataclass(frozen=True)
class Point:
    """One question of a study.

    Attributes:
        title: Its heading.
        runs: The runs that it needs.
        findings: What they show, once they are made.
    """

    title: str
    runs: Callable[[Plan], Iterator[Run]]
    findings: Callable[[Evidence], Findings]


POINTS: Mapping[str, Point] = {
    name: Point(module.TITLE, module.runs, module.findings)
    for name, module in {
        "robustness": robustness,
        "transfer": transfer,
        "monotonicity": monotonicity,
        "isolation": isolation,
        "choices": choices,
        "another-noise": another_noise,
        "composition": composition,
    }.items()
}
