"""What is wrapped around a scheduler's steps."""

from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor

from sega_vectors.pipeline.run_check import RunCheck
from sega_vectors.pipeline.scheduler_hooks import followed_steps, guided_steps
from tests.vectors.tiny import stable_diffusion


def pipeline() -> Any:
    """A pipeline whose last step ends at x_0."""
    pipe = stable_diffusion()
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, set_alpha_to_one=True)
    return pipe


def test_every_run_is_followed_step_by_step() -> None:
    pipe = pipeline()
    seen: list[tuple[int, int]] = []
    denoised: list[Tensor] = []

    def follow(step: int, num_steps: int, x_0: Tensor) -> None:
        seen.append((step, num_steps))
        denoised.append(x_0.clone())

    with followed_steps(pipe.scheduler, follow):
        for steps in (3, 2):
            result = pipe("a man", num_inference_steps=steps, output_type="latent", generator=torch.manual_seed(1))
    assert seen == [(0, 3), (1, 3), (2, 3), (0, 2), (1, 2)]
    assert torch.equal(denoised[-1], result.images), "the last step leads to x_0"
    assert not torch.equal(denoised[-1], denoised[-2])
    pipe("a man", num_inference_steps=2, output_type="latent")
    assert len(seen) == 5, "nothing is attached any more"


def test_following_changes_nothing_and_sees_guided_steps() -> None:
    pipe = pipeline()

    def run() -> Tensor:
        images: Tensor = pipe(
            "a man", num_inference_steps=3, output_type="latent", generator=torch.manual_seed(1)
        ).images
        return images

    plain, seen = run(), []
    with followed_steps(pipe.scheduler, lambda _step, _count, x_0: seen.append(x_0)):
        assert torch.equal(run(), plain)
        with guided_steps(pipe, lambda *_first: lambda output, _timestep, _sample: output + 1, RunCheck()):
            guided = run()
    assert not torch.equal(guided, plain)
    assert torch.equal(seen[-1], guided)
    assert torch.equal(run(), plain)


def test_what_a_follower_raises_ends_the_run_and_leaves_nothing() -> None:
    pipe = pipeline()

    def stop(step: int, _count: int, _x_0: Tensor) -> None:
        if step == 1:
            raise InterruptedError

    with pytest.raises(InterruptedError), followed_steps(pipe.scheduler, stop):
        pipe("a man", num_inference_steps=3)
    assert "step" not in vars(pipe.scheduler)
