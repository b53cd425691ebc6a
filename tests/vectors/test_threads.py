"""Many threads, pipelines that share parts, and calls within calls: each call meets its own hooks alone."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from sega_vectors import Applier, Concept, DenoiserRows, GuidanceVector, PipelineError, Recorder
from sega_vectors.pipeline.prompts import cuts
from sega_vectors.pipeline.turns import tokenizing
from tests.vectors.closeness import assert_same_entries
from tests.vectors.tiny import stable_diffusion

CALL: dict[str, Any] = {"num_inference_steps": 3, "output_type": "latent"}
TEXTS = ("glasses", "a smile", "a hat", "a beard", "snow")


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sharing(pipe: Any) -> Any:
    """A pipeline of the same networks with a scheduler of its own."""
    other = StableDiffusionPipeline(
        **{**pipe.components, "scheduler": type(pipe.scheduler).from_config(pipe.scheduler.config)},
        requires_safety_checker=False,
    )
    other.set_progress_bar_config(disable=True)
    return other


def record(pipe: Any, text: str, seed: int, **call: Any) -> GuidanceVector:
    recorder = Recorder(pipe, [Concept(text, 4.0, 0.9, 1)])
    recorder("a king", **CALL, generator=generator(seed), **call)
    return recorder.vectors[0]


def assert_same(one: GuidanceVector, other: GuidanceVector) -> None:
    assert one.concept == other.concept
    assert one.provenance.noise == other.provenance.noise
    assert one.provenance.run == other.provenance.run
    assert_same_entries(torch.from_numpy(one.dense()), torch.from_numpy(other.dense()), rtol=1e-3, atol=1e-5)


def state(pipe: Any) -> Any:
    parts = [pipe, pipe.scheduler, pipe.unet, pipe.text_encoder, pipe.vae.decoder]
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in (pipe.unet, pipe.vae.decoder)]
    filters = [len(h.filters) for h in (*logging.getLogger("diffusers").handlers, *logging.getLogger().handlers)]
    return [set(vars(part)) for part in parts], hooks, filters


@pytest.mark.parametrize("own_pipeline", [False, True], ids=["one pipeline", "pipelines that share the networks"])
def test_ten_threads_on_one_model(own_pipeline: bool) -> None:
    pipe = stable_diffusion()
    pipe("a king", **CALL)
    expected = {(text, seed): record(pipe, text, seed) for seed in (1, 2) for text in TEXTS}
    pictures = {seed: pipe("a queen", **CALL, generator=generator(seed)).images for seed in (1, 2)}
    before, encoded = state(pipe), pipe.encode_prompt(["a queen", ""], "cpu", 1, False)[0]

    def work(job: tuple[str, int]) -> None:
        own = sharing(pipe) if own_pipeline else pipe
        with pytest.raises(ZeroDivisionError):
            record(own, job[0], job[1], callback_on_step_end=lambda *_: 1 / 0)
        assert_same(record(own, *job), expected[job])
        vector, noise = expected[job], Recorder(own, [Concept("x")])
        assert noise.recipes("a king", **CALL, generator=generator(job[1]))
        applier = Applier(own, [vector], edit_guidance_scale=0)
        images = applier("a queen", **CALL, generator=generator(job[1])).images
        torch.testing.assert_close(images, pictures[job[1]], rtol=1e-4, atol=1e-4)
        if own_pipeline:  # a plain call passes through the others' hooks; its tokenizer would not bear other threads
            embeds = {"prompt_embeds": encoded[:1], "negative_prompt_embeds": encoded[1:]}
            plain = own(**embeds, **CALL, generator=generator(job[1])).images
            torch.testing.assert_close(plain, pictures[job[1]], rtol=1e-4, atol=1e-4)

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(work, expected))
    assert state(pipe) == before
    assert_same(record(pipe, "glasses", 1), expected["glasses", 1])


def test_calls_within_a_callback() -> None:
    pipe = stable_diffusion()
    other = sharing(pipe)
    expected, plain = record(pipe, "glasses", 1), other("a queen", **CALL, generator=generator(2)).images
    seen: list[Any] = []

    def callback(_pipe: Any, _step: int, _timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        seen.append(other("a queen", **CALL, generator=generator(2)).images)
        with DenoiserRows(other) as price:
            record(other, "a smile", 2)
        assert (price.calls, price.rows) == (3, 9)
        return values

    with DenoiserRows(pipe) as price:
        assert_same(record(pipe, "glasses", 1, callback_on_step_end=callback), expected)
    assert (price.calls, price.rows) == (3, 9)
    for images in seen:
        torch.testing.assert_close(images, plain)


@pytest.mark.parametrize("second", ["record", "recipes", "apply"])
def test_a_second_guided_call_within_the_first_is_refused(second: str) -> None:
    pipe = stable_diffusion()
    expected = record(pipe, "glasses", 1)

    def callback(*_: Any) -> dict[str, Any]:
        if second == "record":
            record(pipe, "a smile", 2)
        elif second == "recipes":
            Recorder(pipe, [Concept("a smile")]).recipes("a king", **CALL)
        else:
            Applier(pipe, [expected], allow={"noise"})("a king", **CALL)
        return {}

    with pytest.raises(PipelineError, match="one guided call at a time, met a second within the first"):
        record(pipe, "glasses", 1, callback_on_step_end=callback)
    assert_same(record(pipe, "glasses", 1), expected)


@pytest.mark.parametrize("ask", ["recipes", "cuts"])
def test_texts_are_tokenized_while_no_other_thread_does(ask: str) -> None:
    pipe, done = stable_diffusion(), threading.Event()
    recorder = Recorder(pipe, [Concept("glasses")])

    def work() -> None:
        _ = recorder.recipes("a king", **CALL) if ask == "recipes" else cuts(pipe, "a king")
        done.set()

    thread = threading.Thread(target=work, daemon=True)
    with tokenizing(pipe):
        thread.start()
        assert not done.wait(0.4)
    assert done.wait(60)
    thread.join()


def test_a_denoiser_that_calls_itself_is_asked_once() -> None:
    pipe = stable_diffusion()
    expected = record(pipe, "glasses", 1)
    former, inner = pipe.unet.mid_block.forward, threading.local()

    def forward(*args: Any, **kwargs: Any) -> Any:
        if not getattr(inner, "entered", False):
            inner.entered = True
            try:
                pipe.unet(torch.zeros(1, 4, 16, 16), 1, encoder_hidden_states=torch.zeros(1, 32, 32))
            finally:
                inner.entered = False
        return former(*args, **kwargs)

    pipe.unet.mid_block.forward = forward
    assert_same(record(pipe, "glasses", 1), expected)


def test_noise_that_another_thread_drew_in_between_is_no_other_noise_without_a_word() -> None:
    pipe = stable_diffusion()
    prepare: Callable[..., Any] = pipe.prepare_latents
    calls: list[int] = []

    def disturbed(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:  # the run itself, after the watched call
            torch.randn(3)
        return prepare(*args, **kwargs)

    pipe.prepare_latents = disturbed
    with pytest.raises(PipelineError, match="must start from the noise that it says"):
        Recorder(pipe, [Concept("glasses", 4.0, 0.9, 1)], guide=True)("a king", negative_prompt="b", **CALL)
    assert np.isfinite(record(pipe, "glasses", 1).values).all()
