"""What is wrapped around a scheduler's steps."""

from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor

from sega_vectors import PipelineError
from sega_vectors.pipeline.run_check import RunCheck
from sega_vectors.pipeline.scheduler_hooks import followed_steps, guided_steps
from tests.vectors.pipeline.test_turns import Calling
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


class Reordered(DDIMScheduler):  # type: ignore[misc]
    """Takes the sample first, and adds the model output to it."""

    def step(self, sample: Tensor, timestep: int, model_output: Tensor) -> tuple[Tensor]:
        return (sample + model_output,)


class Lacking(DDIMScheduler):  # type: ignore[misc]
    def step(self, model_output: Tensor, time: int, sample: Tensor) -> tuple[Tensor]:
        return (sample + model_output,)


@pytest.mark.parametrize("named", [(), ("model_output",), ("sample", "timestep", "model_output")])
def test_the_model_output_is_replaced_however_it_is_given(named: tuple[str, ...]) -> None:
    pipe, check, begun = Calling(), RunCheck(), []
    pipe.scheduler = scheduler = Reordered()
    scheduler.set_timesteps(2)
    given: dict[str, Any] = {"sample": torch.ones(2), "timestep": 500, "model_output": torch.ones(2)}
    args = [value for name, value in given.items() if name not in named]

    def step() -> Tensor:
        (sample,) = scheduler.step(*args, **{name: given[name] for name in named})
        return sample

    def begin(*first: Any) -> Any:
        begun.append(first)
        return lambda model_output, timestep, sample: 10 * model_output + timestep + sample

    with guided_steps(pipe, begin, check):
        assert step().tolist() == [2, 2], "not in a call of the pipeline"
        assert pipe(step).tolist() == pipe(step).tolist() == [512, 512]
    assert begun == [(given["model_output"], 500, given["sample"])]
    assert check.planned.tolist() == [500, 0]
    assert check.timesteps == [500, 500]
    assert pipe(step).tolist() == [2, 2]


@pytest.mark.parametrize("broken", ["model_output", "sample"])
def test_each_step_is_looked_at(broken: str) -> None:
    pipe, check = Calling(), RunCheck()
    pipe.scheduler = scheduler = Reordered()
    scheduler.set_timesteps(2)
    given = {"model_output": torch.ones(2), "sample": torch.ones(2), broken: torch.tensor([1, torch.inf])}
    with guided_steps(pipe, lambda *_first: lambda output, _timestep, _sample: output, check):
        pipe(lambda: scheduler.step(timestep=500, **given))
    with pytest.raises(PipelineError, match="at step 1 of 2"):
        check.check_finite()


def test_a_step_that_takes_something_else_is_refused() -> None:
    pipe = Calling()
    pipe.scheduler = Lacking()
    with (
        pytest.raises(PipelineError, match="take model_output, timestep, sample, Lacking lacks timestep: use another"),
        guided_steps(pipe, lambda *_: pytest.fail("no step was made"), RunCheck()),
    ):
        pass


@pytest.mark.parametrize(
    ("results", "followed"),
    [([1.0], 1), ([1.0, 2.0], 2), ([1.0, 2.0, 3.0], 2), ([1.0, [2.0], [2.0]], 1), ([1.0, 2.0, [3.0]], 2)],
)
def test_what_is_followed_is_the_second_result_if_it_may_be_a_denoised_sample(results: Any, followed: float) -> None:
    scheduler, seen = DDIMScheduler(), []
    scheduler.set_timesteps(2)
    scheduler.step = lambda: (*map(torch.tensor, results), "no tensor")
    with followed_steps(scheduler, lambda *step: seen.append(step)):
        scheduler.step()
    assert seen == [(0, 2, torch.tensor(float(followed)))]
