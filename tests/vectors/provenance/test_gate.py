"""The provenance gate: each of its three answers, and each refusal's message."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler

from sega_vectors import Applier, Concept, DenoiserRows, GuidanceVector, IncompatibleError, InvalidInputError, Recorder
from sega_vectors.provenance.gate import (
    Target,
    assign,
    check,
    check_architecture,
    check_named,
    check_noise,
    check_overrides,
    check_shape,
)
from tests.store import samples
from tests.store.samples import without_noise
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


@pytest.mark.parametrize("allow", [(), ("noise",)])
def test_of_no_noise_it_is_refused_whatever_is_allowed(allow: tuple[str, ...]) -> None:
    pipe, recorder = recorded()
    (vector,) = recorder.vectors
    with pytest.raises(IncompatibleError, match=r"'\w.*' is made of .* measured not to work: record the concept at"):
        Applier(pipe, [vector, without_noise(vector)], noise=recorder.noises[0], allow=allow)


@pytest.mark.parametrize(
    ("recorded_with", "model", "refused"),
    [
        ("StableDiffusionPipeline", "StableDiffusionXLPipeline", True),
        ("StableDiffusionXLPipeline", "StableDiffusionPipeline", True),
        ("StableDiffusionXLPipeline", "KolorsPipeline", True),
        ("PixArtAlphaPipeline", "PixArtSigmaPipeline", True),
        ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", False),
        ("StableDiffusionXLPipeline", "StableDiffusionXLControlNetInpaintPipeline", False),
        ("StableDiffusionXLPipeline", "StableDiffusionXLModularPipeline", False),
        ("StableDiffusionPipeline", "SemanticStableDiffusionPipeline", False),
        ("FluxPipeline", "FluxControlNetPipeline", False),
    ],
)
def test_other_weights_belong_to_the_recorded_family(recorded_with: str, model: str, refused: bool) -> None:
    _, recorder = recorded()
    (vector,) = recorder.vectors
    provenance = vector.provenance
    facts = replace(provenance.model, pipeline=recorded_with)
    vector = replace(vector, provenance=replace(provenance, model=facts))
    target = Target(
        model=replace(facts, pipeline=model, fingerprint="00" * 32),
        scheduler=provenance.scheduler,
        guidance_scale=7.5,
        num_inference_steps=3,
        noises=(provenance.noise.sha256,),
        sample_shape=None,
    )
    if refused:
        with pytest.raises(IncompatibleError, match=f"with a {recorded_with} .*, this run has a {model}"):
            check(vector, target)
        assert any(model in difference for difference in check(vector, target, {"architecture"}).differences)
    else:
        assert check(vector, target).answer == "compatible"
    same_weights = replace(target, model=replace(target.model, fingerprint=facts.fingerprint))
    assert check(vector, same_weights).answer == "exact"


def matching(vector: GuidanceVector, **changes: Any) -> Target:
    """The run that a vector was recorded on."""
    facts = vector.provenance
    target = Target(
        model=facts.model,
        scheduler=facts.scheduler,
        guidance_scale=facts.run.guidance_scale,
        num_inference_steps=facts.run.num_inference_steps,
        noises=("ab" * 32, facts.noise.sha256),
        sample_shape=vector.shape[1:],
        arguments=facts.run.arguments,
    )
    return replace(target, **changes)


VECTOR = samples.vector(facts=samples.provenance(arguments={"eta": 0.5, "concept_embeds": "sha256:ab"}))
MODEL, SCHEDULER = VECTOR.provenance.model, VECTOR.provenance.scheduler


@pytest.mark.parametrize(
    ("changes", "differences"),
    [
        ({"arguments": {"eta": 0.5}}, []),
        ({"noises": None, "sample_shape": None, "arguments": None}, []),
        ({"model": replace(MODEL, id="other", device="cuda", revision="main")}, []),
        ({"model": replace(MODEL, dtype="float16")}, ["dtype float16 instead of float32"]),
        (
            {"model": replace(MODEL, id="tuned", fingerprint="ab" * 32)},
            ["weights tuned instead of embedded (fingerprints differ)"],
        ),
        (
            {
                "scheduler": replace(
                    SCHEDULER, prediction_type="sample", config={**SCHEDULER.config, "prediction_type": 1}
                )
            },
            ["prediction type sample instead of epsilon"],
        ),
        (
            {"scheduler": replace(SCHEDULER, name="Other", config={"a": 1})},
            ["scheduler Other instead of DDIMScheduler"],
        ),
        (
            {"scheduler": replace(SCHEDULER, config={"trained_betas": None, "beta_start": 0.1, "a": 1})},
            ["scheduler a 1 instead of None", "scheduler beta_start 0.1 instead of 0.00085"],
        ),
        ({"guidance_scale": None}, ["guidance_scale None instead of 7.5"]),
        ({"num_inference_steps": 4}, ["num_inference_steps 4 instead of 3"]),
        ({"arguments": {"height": 8}}, ["eta None instead of 0.5", "height 8 instead of None"]),
    ],
)
def test_all_that_differs_is_said_and_nothing_else(changes: dict[str, Any], differences: list[str]) -> None:
    answer = check(VECTOR, matching(VECTOR, **{"arguments": {"eta": 0.5}, **changes}))
    assert answer.differences == tuple(differences)
    assert answer.answer == ("compatible" if differences else "exact")


@pytest.mark.parametrize(
    ("changes", "refusal", "override", "difference"),
    [
        ({"sample_shape": (2, 4, 5)}, r"of shape \(2, 4, 4\), this run's are \(2, 4, 5\)", None, ""),
        (
            {"noises": ("ab" * 32,)},
            r"initial noise \w{12} \(seed 21\), this run has initial noise abababababab: pass",
            "noise",
            "initial noise abababababab instead of",
        ),
        (
            {"model": replace(MODEL, denoiser="Another")},
            r"a UNet2DConditionModel \(embedded\), this run has a Another \(embedded\): use a model",
            "architecture",
            "a Another (embedded) instead of a UNet2DConditionModel (embedded)",
        ),
        (
            {"model": replace(MODEL, pipeline="StableDiffusionXLPipeline", fingerprint="ab" * 32)},
            r"a StableDiffusionPipeline \(embedded\), this run has a StableDiffusionXLPipeline \(embedded\): use a",
            "architecture",
            "a StableDiffusionXLPipeline (embedded) instead of",
        ),
    ],
)
def test_each_refusal_can_be_overridden_by_its_name_alone_but_the_shape_s(
    changes: dict[str, Any], refusal: str, override: str | None, difference: str
) -> None:
    target = matching(VECTOR, **changes)
    for allow in ((), ("noise",), ("architecture",), ("noise", "architecture")):
        if override in allow:
            assert difference in check(VECTOR, target, allow).differences[0]
        else:
            with pytest.raises(IncompatibleError, match=refusal):
                check(VECTOR, target, allow)


def test_what_is_asked_of_a_vector_by_itself() -> None:
    assert check_overrides(["noise", "architecture"]) == {"noise", "architecture"}
    with pytest.raises(InvalidInputError, match="may name noise, architecture; met seed, shape: leave it out"):
        check_overrides(["shape", "noise", "seed"])
    check_named(VECTOR)
    with pytest.raises(IncompatibleError, match="is made of"):
        check_named(without_noise(VECTOR))
    check_shape(VECTOR, (2, 4, 4))
    assert check_architecture(VECTOR, "UNet2DConditionModel") == []
    own = VECTOR.provenance.noise.sha256
    assert check_noise(VECTOR, None) == check_noise(VECTOR, [None, own]) == []
    with pytest.raises(IncompatibleError, match="has initial noise another, abababababab, another: pass"):
        check_noise(VECTOR, [None, "ab" * 32, None, "cd" * 32])
    unseeded = replace(VECTOR.provenance, noise=replace(VECTOR.provenance.noise, seed=None))
    with pytest.raises(IncompatibleError, match=r"initial noise \w{12}, this run has"):
        check_noise(replace(VECTOR, provenance=unseeded), ["ab" * 32])


def test_vectors_act_on_the_samples_of_their_noise_or_on_all_if_there_is_none() -> None:
    one, two, far = (samples.vector(facts=samples.provenance(samples.noise(seed))) for seed in (1, 2, 3))
    first, second = (vector.provenance.noise.sha256 for vector in (one, two))
    assert assign([one, two, one, far], [first, second, None]) == [(0, 2, 3), (1, 3), (3,)]
    assert assign([one], [None, None]) == [(0,), (0,)]
    assert assign([], [first]) == [()]
