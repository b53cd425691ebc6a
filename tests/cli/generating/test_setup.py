"""What generating commands do to get ready."""

from types import SimpleNamespace
from typing import Any

import pytest
from diffusers.pipelines.wan.pipeline_output import WanPipelineOutput

from sega_cli.generating.setup import Start, draw_noise, pictures_of
from sega_store import InitialNoise, PipelineError
from sega_vectors.pipeline.call import PipelineCall
from sega_vectors.pipeline.watch import watch
from tests.vectors.tiny import stable_diffusion


def test_the_picture_of_a_result() -> None:
    assert pictures_of(SimpleNamespace(), SimpleNamespace(images=["first", "second"])) == ["first", "second"]


def test_a_pipeline_without_pictures_is_refused() -> None:
    class WanPipeline:
        pass

    pipe: Any = WanPipeline()
    with pytest.raises(PipelineError, match=r"WanPipeline makes frames: use Recorder and Applier in Python"):
        pictures_of(pipe, WanPipelineOutput(frames=[]))


def test_a_run_starts_from_a_seed_or_a_stored_noise() -> None:
    pipe = stable_diffusion()

    def started(start: Start) -> InitialNoise:
        call = PipelineCall.bind(pipe, ("a man",), {"num_inference_steps": 2, **start.arguments(pipe)})
        return watch(call).noises[0]

    drawn = draw_noise(pipe, (4, 16, 16), 5)
    nameless = InitialNoise(drawn.array)
    mislabelled = InitialNoise(drawn.array, seed=6)
    assert started(Start(5)) == drawn
    assert started(Start(6)) != drawn
    for noise in (drawn, nameless, mislabelled):
        assert started(Start(noise=noise)) == drawn
    assert "generator" in Start(noise=drawn).arguments(pipe)
    assert "latents" in Start(noise=mislabelled).arguments(pipe)
