"""Recording and applying in every family, against predictions made by hand."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sega_vectors import Applier, Concept, Recorder
from sega_vectors.maths.guidance import keep_above, tail_thresholds

from .closeness import rounding
from .families import FAMILIES, Family
from .tracing import Call, Step, Trace, trace

CONCEPT = Concept("glasses", 3.0, 0.8, 0, keep_threshold=0.0)

pytestmark = pytest.mark.parametrize("family", FAMILIES.values(), ids=str)


@cache
def pipeline(family_name: str) -> Any:
    """One pipeline a family for all tests: each call leaves it as it was."""
    return FAMILIES[family_name].build()


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def run(family: Family, runner: Any, **changes: Any) -> Tensor:
    arguments = {**family.arguments, "generator": generator(), **changes}
    result: Tensor = runner(**arguments, return_dict=False)[0]
    return result


def conditional(family: Family, call: Call) -> Tensor:
    """The rows of a call that know the prompt, for one sample."""
    if family.cfg != "one call":
        return call.rows
    return call.rows[1:] if family.first == "unconditional" else call.rows[:1]


def base(family: Family, step: Step, empty: Step) -> Tensor:
    """The unconditional prediction; without guidance, the one for the empty prompt."""
    if family.cfg == "one call":
        return step.calls[0].rows[:1] if family.first == "unconditional" else step.calls[0].rows[1:]
    return empty.calls[0].rows if family.cfg == "none" else step.calls[1].rows


def repeated(pipe: Any, call: Call, own: Call, other: Call) -> Call:
    """A call with the arguments that differ between two others taken from the second."""
    args = tuple(m if equal(a, b) else b for m, a, b in zip(call.args, own.args, other.args, strict=True))
    kwargs = {k: call.kwargs[k] if equal(own.kwargs[k], other.kwargs[k]) else other.kwargs[k] for k in call.kwargs}
    with torch.no_grad():
        prediction = getattr(pipe, call.denoiser)(*args, **kwargs)[0]
    rows = torch.stack(list(prediction)) if isinstance(prediction, list) else prediction
    return Call(call.denoiser, args, kwargs, rows)


def equal(one: Any, other: Any) -> bool:
    """Whether two arguments are the same, all their tensors to the bit."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict):
        return all(equal(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)


def psi_by_hand(family: Family, pipe: Any, plain: Trace, step: int) -> Tensor:
    """ψ of the concept at a step of the plain run, in the unpacked space and sign of the scheduler."""
    own = plain.steps[0]
    other, empty = (trace(family, pipe, prompt=text).steps[0] for text in (CONCEPT.text, ""))
    at = plain.steps[step]
    edit = conditional(family, repeated(pipe, at.calls[0], own.calls[0], other.calls[0]))
    without = at
    if family.cfg == "none":
        without = Step([repeated(pipe, at.calls[0], own.calls[0], empty.calls[0])])
    psi = edit - base(family, without, without)
    shape = at.sample.shape
    psi = psi.reshape(shape) if psi.numel() == at.sample.numel() else psi[:, : shape[1]]
    unpacked: Tensor = family.sign * family.unpack(pipe, psi)
    return unpacked.reshape(1, *family.sample_shape)


def test_vectors_are_what_separate_denoiser_calls_give(family: Family) -> None:
    pipe = pipeline(family.name)
    recorder = Recorder(pipe, [CONCEPT], guide=False)
    run(family, recorder)
    vector = recorder.vectors[0]
    plain = trace(family, pipe)
    assert vector.support.shape == (len(plain.steps), *family.sample_shape)
    for step in range(len(plain.steps)):
        expected = psi_by_hand(family, pipe, plain, step)[0]
        scale = float(expected.abs().max())
        torch.testing.assert_close(torch.from_numpy(vector.dense()[step]), expected, rtol=1e-3, atol=1e-4 * scale)


def test_the_guidance_that_reaches_the_scheduler_is_the_one_made_by_hand(family: Family) -> None:
    pipe = pipeline(family.name)
    plain = trace(family, pipe)
    recorder = Recorder(pipe, [CONCEPT], edit_momentum_scale=0.0)
    guided = trace(family, RecorderAsPipeline(pipe, recorder))
    channels = plain.steps[0].sample.shape[1]
    added = (guided.steps[0].model_output - plain.steps[0].model_output)[:, :channels]
    psi = psi_by_hand(family, pipe, plain, 0)
    found = family.unpack(pipe, added).reshape(psi.shape)
    edge = tail_thresholds(psi, [CONCEPT.edit_threshold])[0].reshape(*psi.shape[:2], *[1] * (psi.ndim - 2))
    either = ((psi.abs() - edge).abs() < 1e-3 * edge) & (found.abs() < CONCEPT.edit_guidance_scale * edge / 2)
    expected = CONCEPT.edit_guidance_scale * keep_above(psi, edge.flatten(1)).masked_fill(either, 0)
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=2e-3 * float(expected.abs().max()))


class RecorderAsPipeline:
    """Calls a recorder where a pipeline is called; all else is the pipeline's."""

    def __init__(self, pipe: Any, recorder: Recorder) -> None:
        self._pipe, self._recorder = pipe, recorder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipe, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._recorder(*args, **kwargs)


def test_record_then_apply_is_the_recorded_run(family: Family) -> None:
    pipe = pipeline(family.name)
    plain = run(family, pipe)
    recorder = Recorder(pipe, [CONCEPT])
    recorded = run(family, recorder)
    edit = (recorded - plain).abs().max()
    assert edit > 1e-2 * plain.abs().max()
    for replayed in (
        run(family, Applier(pipe, recorder.vectors)),
        run(family, Applier(pipe, recorder.vectors, noise=recorder.noises), generator=None),
    ):
        assert (replayed - recorded).abs().max() < rounding(recorded, plain)


def test_scale_0_is_the_plain_run_to_the_bit(family: Family) -> None:
    pipe = pipeline(family.name)
    plain = run(family, pipe)
    recorder = Recorder(pipe, [CONCEPT])
    run(family, recorder)
    assert torch.equal(run(family, Applier(pipe, recorder.vectors, edit_guidance_scale=0)), plain)
    assert torch.equal(run(family, pipe), plain)


def test_the_noise_has_the_shape_of_the_vector(family: Family) -> None:
    recorder = Recorder(pipeline(family.name), [CONCEPT])
    run(family, recorder)
    assert recorder.noises[0].array.shape == family.sample_shape
    assert recorder.noises[0].seed == 0
    assert np.isfinite(recorder.noises[0].array).all()


def test_in_a_batch_each_sample_has_the_vector_that_it_has_alone(family: Family) -> None:
    pipe = pipeline(family.name)
    prompts = [family.arguments["prompt"], "an etching of a cat at a window"]
    changes: dict[str, Any] = {}
    if "negative_prompt" in family.arguments:
        changes["negative_prompt"] = [family.arguments["negative_prompt"]] * 2
    generators = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    together = Recorder(pipe, [CONCEPT], guide=False)
    run(family, together, prompt=prompts, generator=generators, **changes)
    alone = Recorder(pipe, [CONCEPT], guide=False)
    run(family, alone, prompt=prompts[1], generator=torch.Generator().manual_seed(1))
    assert [noise.seed for noise in together.noises] == [0, 1]
    assert together.noises[1].sha256 == alone.noises[0].sha256
    # The first step, which starts from the same noise: Z-Image's own runs part then, by 40%, in a batch and alone.
    found, expected = (torch.from_numpy(v.dense()[0]) for v in (together.vectors[1], alone.vectors[0]))
    assert (found - expected).norm() < 1e-3 * expected.norm()
