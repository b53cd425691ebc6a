"""Judges by their names."""

from pathlib import Path

import pytest

from sega_vectors import InvalidInputError, PipelineError
from sega_vectors.judging.clip_judge import ClipJudge
from sega_vectors.judging.embedded_judge import Judge
from sega_vectors.judging.judges import load_judge
from tests.vectors.judging.test_clip_judge import tiny_clip


def test_the_embedded_judge_tells_what_it_knows() -> None:
    judge = load_judge("embedded", ["glasses", "long hair"])
    assert isinstance(judge, Judge)
    with pytest.raises(InvalidInputError, match=r"can tell .*glasses.*met 'a hat': take clip:MODEL"):
        load_judge("embedded", ["glasses", "a hat"])


def test_a_clip_tells_what_it_is_asked(tmp_path: Path) -> None:
    judge = load_judge(f"clip:{tiny_clip(tmp_path)}", ["a hat"], device="cpu")
    assert isinstance(judge, ClipJudge)
    assert judge.concepts == ("a hat",)


def test_what_is_none_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="met 'vqa'"):
        load_judge("vqa", ["hat"])
    with pytest.raises(PipelineError, match="could not be loaded"):
        load_judge("clip:/no/such/folder", ["hat"])
