"""The provenance gate: each of its three answers, and each refusal's message."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler

from sega_store import NoiseFacts
from sega_store.records.provenance import DISTILLED
from sega_vectors import Applier, Concept, DenoiserRows, IncompatibleError, Recorder
from sega_vectors.pipeline.call import recorded_arguments
from tests.vectors.tiny import stable_diffusion

CALL: dict[str, Any] = {"prompt": "a king", "num_inference_steps": 3, "output_type": "latent"}


def recorded() -> tuple[Any, Recorder]:
    pipe = stable_diffusion()
    recorder = Recorder(pipe, [Concept("glasses", 4.0, 0.9, 1)])
    recorder(**CALL, generator=torch.Generator().manual_seed(3))
    return pipe, recorder


def test_exact_whatever_the_prompt() -> None:
    pipe, recorder = recorded()
    applier = Applier(pipe, recorder.vectors, noise=recorder.noises[0])
    applier(**{**CALL, "prompt": "a drawing of a queen"})
    assert (applier.compatibility[0].answer, applier.compatibility[0].differences) == ("exact", ())


def _fine_tuned(pipe: Any) -> None:
    with torch.no_grad():
        pipe.unet.conv_in.weight += 0.01


def _half(pipe: Any) -> None:
    pipe.to(torch.bfloat16)


def _predicting_v(pipe: Any) -> None:
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, prediction_type="v_prediction")


def _respaced(pipe: Any) -> None:
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, timestep_spacing="trailing")


@pytest.mark.parametrize(
    ("change", "call", "said"),
    [
        (_fine_tuned, {}, "fingerprints differ"),
        (_half, {}, "dtype bfloat16 instead of float32"),
        (_predicting_v, {}, "prediction type v_prediction instead of epsilon"),
        (_respaced, {}, "scheduler timestep_spacing trailing instead of leading"),
        (None, {"num_inference_steps": 5}, "num_inference_steps 5 instead of 3"),
        (None, {"guidance_scale": 5.0}, "guidance_scale 5.0 instead of 7.5"),
        (None, {"guidance_rescale": 0.5}, "guidance_rescale 0.5 instead of None"),
    ],
)
def test_compatible_says_what_differs(change: Any, call: dict[str, Any], said: str) -> None:
    pipe, recorder = recorded()
    if change is not None:
        change(pipe)
    applier = Applier(pipe, recorder.vectors, noise=recorder.noises[0])
    applier(**{**CALL, **call})
    (compatibility,) = applier.compatibility
    assert compatibility.answer == "compatible"
    assert any(said in difference for difference in compatibility.differences)


def test_refused_at_another_noise_before_anything_runs() -> None:
    pipe, recorder = recorded()
    applier = Applier(pipe, recorder.vectors)
    other = torch.Generator().manual_seed(4)
    with DenoiserRows(pipe) as price, pytest.raises(IncompatibleError) as refused:
        applier(**CALL, generator=other)
    assert price.rows == 0
    message = str(refused.value)
    assert f"recorded with initial noise {recorder.noises[0].sha256[:12]} (seed 3)" in message
    assert "noise=library.noise(ref)" in message
    assert "allow={'noise'}" in message
    assert torch.equal(other.get_state(), torch.Generator().manual_seed(4).get_state())
    assert Applier(pipe, recorder.vectors, allow={"noise"})(**CALL, generator=other)


def test_refused_for_another_architecture() -> None:
    pipe, recorder = recorded()

    class Another(type(pipe.unet)):  # type: ignore[misc]
        pass

    pipe.unet.__class__ = Another
    with pytest.raises(IncompatibleError, match="a UNet2DConditionModel"):
        Applier(pipe, recorder.vectors, noise=recorder.noises[0])(**CALL)
    assert Applier(pipe, recorder.vectors, noise=recorder.noises[0], allow={"architecture"})(**CALL)


def test_refused_for_another_shape_whatever_is_allowed() -> None:
    pipe, recorder = recorded()
    with pytest.raises(IncompatibleError, match=r"\(4, 16, 16\), this run's are \(4, 8, 8\): run at the recorded"):
        Applier(pipe, recorder.vectors, allow={"noise"})(**CALL, height=16, width=16)


def test_of_no_single_noise_it_is_compatible_at_any_and_acts_on_all_samples() -> None:
    pipe, recorder = recorded()
    (vector,) = recorder.vectors
    facts = replace(vector.provenance.run, arguments={DISTILLED: {"method": "mean"}})
    parents = (vector.content, vector.content)
    free = replace(
        vector,
        provenance=replace(vector.provenance, run=facts, noise=NoiseFacts.of_none("float32"), derived_from=parents),
    )
    applier = Applier(pipe, [free])
    prompts: dict[str, Any] = {**CALL, "prompt": ["a king", "a king", "a queen"]}

    def seeded() -> list[torch.Generator]:
        return [torch.Generator().manual_seed(seed) for seed in (4, 3, 5)]

    freed = applier(**prompts, generator=seeded()).images
    (compatibility,) = applier.compatibility
    assert compatibility.answer == "compatible"
    assert compatibility.differences == ("distilled from 2 vectors: it belongs to no single noise",)
    plain = pipe(**prompts, generator=seeded()).images
    assert all(not torch.equal(*pair) for pair in zip(freed, plain, strict=True))
    bound = Applier(pipe, [vector])(**prompts, generator=seeded()).images
    assert torch.equal(freed[1], bound[1])
    assert torch.equal(plain[0], bound[0]), "a vector of one noise leaves the others alone"


def test_how_it_was_distilled_is_no_argument_of_a_call() -> None:
    pipe = stable_diffusion()
    assert recorded_arguments(pipe, {"eta": 0.5, DISTILLED: {"method": "mean"}}) == {"eta": 0.5}
