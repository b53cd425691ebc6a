"""What generating commands do to get ready."""

from types import SimpleNamespace
from typing import Any

import pytest
from diffusers.pipelines.wan.pipeline_output import WanPipelineOutput

from sega_cli.generation import first_picture
from sega_store import PipelineError


def test_the_picture_of_a_result() -> None:
    assert first_picture(SimpleNamespace(), SimpleNamespace(images=["first", "second"])) == "first"


def test_a_pipeline_without_pictures_is_refused() -> None:
    class WanPipeline:
        pass

    pipe: Any = WanPipeline()
    with pytest.raises(PipelineError, match=r"WanPipeline makes frames: use Recorder and Applier in Python"):
        first_picture(pipe, WanPipelineOutput(frames=[]))
