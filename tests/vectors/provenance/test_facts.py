"""What a vector remembers of where it came from, read off a pipeline and a call."""

from typing import Any

import torch

from sega_store import Concept, InitialNoise
from sega_vectors.pipeline.call import PipelineCall
from sega_vectors.provenance.facts import describe_run, model_facts, scheduler_facts
from sega_vectors.provenance.fingerprint import fingerprint
from tests.vectors.tiny import stable_diffusion

GLASSES, HAT = Concept("glasses"), Concept("hat")
NOISE = InitialNoise(torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(3)).numpy(), seed=3)


def described(pipe: Any, guide: bool = True, **arguments: Any) -> Any:
    call = PipelineCall.bind(pipe, (), {"prompt": ["a king", "a queen"], "num_inference_steps": 6, **arguments})
    return describe_run(call, [NOISE, NOISE], [GLASSES, HAT], 0.25, 0.5, guide)


def test_a_model_is_known_by_its_weights_class_and_place() -> None:
    pipe = stable_diffusion()
    facts = model_facts(pipe)
    assert facts.fingerprint == fingerprint(pipe.unet)
    assert (facts.pipeline, facts.denoiser) == ("StableDiffusionPipeline", "UNet2DConditionModel")
    assert (facts.dtype, facts.device) == ("float32", "cpu")


def test_a_scheduler_s_configuration_is_plain_json() -> None:
    pipe = stable_diffusion("euler")
    facts = scheduler_facts(pipe)
    assert (facts.name, facts.prediction_type) == ("EulerDiscreteScheduler", "epsilon")
    assert facts.config["beta_schedule"] == pipe.scheduler.config["beta_schedule"]
    assert not any(key.startswith("_") for key in facts.config)
    pipe.scheduler.register_to_config(lambda_min_clipped=-float("inf"), kinds=(1, 2), at=torch.float32)
    config = scheduler_facts(pipe).config
    assert (config["lambda_min_clipped"], config["kinds"], config["at"]) == ("-inf", [1, 2], "torch.float32")


def test_each_sample_and_concept_has_its_own() -> None:
    pipe = stable_diffusion()
    king, queen = described(pipe, negative_prompt=["ugly", "dark"], guidance_scale=4)
    assert [len(king), len(queen)] == [2, 2]
    assert [king[0].run.prompt, queen[0].run.prompt] == ["a king", "a queen"]
    assert [king[0].run.negative_prompt, queen[1].run.negative_prompt] == ["ugly", "dark"]
    run = king[0].run
    assert (run.guidance_scale, run.num_inference_steps) == (4.0, 6)
    assert (run.edit_momentum_scale, run.edit_mom_beta) == (0.25, 0.5)
    assert king[0].noise == NOISE.facts
    assert set(king[0].versions) == {"python", "sega-vectors", "diffusers", "torch", "transformers"}


def test_companions_are_those_that_guide_the_same_run() -> None:
    pipe = stable_diffusion()
    steps = described(pipe)[0][0].run.num_inference_steps
    assert [one.run.companions for one in described(pipe)[0]] == [(HAT.in_run(steps),), (GLASSES.in_run(steps),)]
    assert [one.run.companions for one in described(pipe, guide=False)[0]] == [(), ()]


def test_other_arguments_are_kept_where_they_differ_from_their_defaults() -> None:
    pipe = stable_diffusion()
    assert described(pipe)[0][0].run.arguments == {}
    assert described(pipe, guidance_rescale=0.5)[0][0].run.arguments == {"guidance_rescale": 0.5}
