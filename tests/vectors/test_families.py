"""The facts that the table of families states of each pipeline's loop."""

import inspect
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from .families import FAMILIES, Family
from .tracing import Step, Trace, trace

OTHER_PROMPT = "two dogs in the snow, oil on canvas"

pytestmark = pytest.mark.parametrize("family", FAMILIES.values(), ids=str)


@cache
def traced(family: str) -> Trace:
    """The run of the table's arguments."""
    return trace(FAMILIES[family], FAMILIES[family].build())


def predictions(family: Family, step: Step) -> tuple[Tensor | None, Tensor]:
    """The unconditional (None where there's none) and the conditional predictions of a step."""
    rows = torch.cat([call.rows for call in step.calls])
    if family.cfg == "none":
        return None, rows
    first, second = rows.chunk(2)
    return (first, second) if family.first == "unconditional" else (second, first)


def check_guidance(family: Family, step: Step) -> None:
    unconditional, conditional = predictions(family, step)
    guided = conditional
    if unconditional is not None:
        assert (unconditional - conditional).norm() > 1e-2 * conditional.norm()
        guided = family.combine(unconditional, conditional, family.arguments[family.scale])
    channels = step.sample.shape[1]  # what follows them is a variance
    expected = family.sign * guided[:, :channels].reshape(step.sample.shape)
    torch.testing.assert_close(step.model_output[:, :channels], expected)


def sample_of(family: Family, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if family.sample_argument is None else kwargs[family.sample_argument]


def test_runs_are_equal_to_the_bit_and_finite(family: Family) -> None:
    first, second = traced(family.name).result, trace(family, family.build()).result
    assert first.isfinite().all()
    assert torch.equal(first, second)


def test_the_prompt_matters(family: Family) -> None:
    runs = (traced(family.name), trace(family, family.build(), prompt=OTHER_PROMPT))
    one, other = (predictions(family, run.steps[0])[1] for run in runs)
    assert (one - other).norm() > 1e-2 * one.norm()


def test_denoisers_are_called_as_stated(family: Family) -> None:
    steps = traced(family.name).steps
    assert tuple(dict.fromkeys(call.denoiser for step in steps for call in step.calls)) == family.denoisers
    for step in steps:
        assert len(step.calls) == (2 if family.cfg == "two calls" else 1)
        for call in step.calls:
            assert len(call.rows) == (2 if family.cfg == "one call" else 1)
            sample = sample_of(family, call.args, call.kwargs)
            assert isinstance(sample, list) == family.lists
            assert len(sample) == len(call.rows)


def test_the_scheduler_gets_what_is_stated(family: Family) -> None:
    pipe = family.build()
    for step in traced(family.name).steps:
        assert step.by_keyword == family.step_by_keyword
        assert step.sample.shape == (1, *family.stepped_shape)
        assert step.model_output.shape == (1, family.output_channels, *family.stepped_shape[1:])
        assert family.unpack(pipe, step.sample).shape == (1, *family.sample_shape)


def test_guidance_combines_as_stated(family: Family) -> None:
    for step in traced(family.name).steps:
        unconditional, conditional = predictions(family, step)
        guided = conditional
        if unconditional is not None:
            assert not torch.allclose(unconditional, conditional, rtol=1e-2)
            guided = family.combine(unconditional, conditional, family.arguments[family.scale])
        channels = step.sample.shape[1]  # what follows them is a variance
        torch.testing.assert_close(
            step.model_output[:, :channels], family.sign * guided[:, :channels].reshape(step.sample.shape)
        )


def test_latents_are_taken_as_stated(family: Family) -> None:
    pipe = family.build()
    if family.latents_shape is None:
        assert "latents" not in inspect.signature(pipe.__call__).parameters
        return
    latents = torch.randn(1, *family.latents_shape, generator=torch.Generator().manual_seed(1))
    first = trace(family, pipe, latents=latents.clone()).steps[0].sample
    sigma = getattr(pipe.scheduler, "init_noise_sigma", 1.0)
    torch.testing.assert_close(first.flatten().sort().values, (latents * sigma).flatten().sort().values)


def test_conditioning_has_one_length_as_stated(family: Family) -> None:
    runs = (traced(family.name), trace(family, family.build(), prompt=OTHER_PROMPT))
    short, long = (
        [
            tuple(leaf.shape)
            for call in run.steps[0].calls
            for leaf in pytree.tree_leaves((call.args, call.kwargs))
            if isinstance(leaf, Tensor)
        ]
        for run in runs
    )
    assert (short == long) == family.padded


def test_a_batch_has_its_rows_in_blocks(family: Family) -> None:
    """The rows (or calls) of one kind for all samples, then those of the other."""
    prompts = [family.arguments["prompt"], OTHER_PROMPT]
    changes = (
        {"negative_prompt": [family.arguments["negative_prompt"]] * 2} if "negative_prompt" in family.arguments else {}
    )
    step = trace(family, family.build(), prompt=prompts, **changes).steps[0]
    assert step.sample.shape == (2, *family.stepped_shape)
    check_guidance(family, step)
