"""`sega-vec demo`, with few steps: that it runs, measures and draws, not how good the model is."""

import json
from pathlib import Path

import pytest
from PIL import Image

from sega_cli.commands.demo import CONCEPTS, PROMPTS
from sega_store import Library
from tests.cli.conftest import SegaVec
from tests.cli.provenance import read_provenance


@pytest.fixture
def document(sega_vec: SegaVec) -> dict[str, object]:
    """What a short demo says."""
    result = sega_vec("demo", "--output", "out", "--seed", "1,2", "--steps", "2", "--json")
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_measures_each_concept_in_each_way(document: dict[str, object], folder: Path) -> None:
    success = document["success"]
    assert isinstance(success, dict)
    assert set(success) == set(CONCEPTS)
    assert CONCEPTS[0] == "glasses"
    assert len(PROMPTS) >= 6
    for kinds in success.values():
        assert list(kinds) == ["plain", "SEGA", "same noise", "other noise"]
        assert {row["of"] for row in kinds.values()} == {2 * (len(PROMPTS) - 1)}
    assert document["denoiser_rows_per_picture"] == {"plain": 4, "SEGA": 6, "same noise": 4, "other noise": 4}
    library = Library(folder / "out" / "library")
    assert len(library) == 2 * len(CONCEPTS)
    assert document["bytes"] == {ref: library.path_of(ref).stat().st_size for ref in library}
    assert read_provenance(folder / "out" / "demo.png")["command"] == "demo"
    with Image.open(folder / "out" / "demo.png") as page:
        assert page.width > 900
        assert page.height > 900


def test_one_noise_has_no_control(sega_vec: SegaVec) -> None:
    assert "second initial noise" in sega_vec("demo", "--seed", "1", exit_code=2).stderr
