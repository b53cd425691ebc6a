"""A small study of every point on the embedded model, which the processes of a test run share."""

import fcntl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from sega_store import Library
from sega_vectors.judging.embedded_judge import Judge
from sega_vectors.study.evidence import Evidence
from sega_vectors.study.findings import Findings
from sega_vectors.study.points import POINTS
from sega_vectors.study.report import StudyReport
from sega_vectors.study.study import Study

from .plans import small_plan


@dataclass(frozen=True)
class Finished:
    """A study that was made, judged and evaluated."""

    study: Study
    evidence: Evidence
    findings: Mapping[str, Findings]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Finished:
    """The study; of several processes the first makes the pictures."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "small-study"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        study = Study(small_plan(), tuple(POINTS), folder, Library(folder / "library"), "cpu")
        study.make(batch_size=32)
        evidence = study.evidence(Judge.load())
    return Finished(study, evidence, study.findings(evidence))


@pytest.fixture(scope="session")
def reported(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its report."""
    folder = tmp_path_factory.mktemp("report")
    paths = StudyReport(finished.study.plan, finished.findings, {"Time": "1.0 minutes"}).write(folder)
    assert paths[0] == folder / "report.html"
    assert sorted(paths) == sorted(path for path in folder.rglob("*") if path.is_file())
    return folder
