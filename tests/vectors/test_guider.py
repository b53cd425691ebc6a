"""Stored vectors in tiny real modular pipelines, against the applier in the classic ones."""

import json
import logging
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ClassifierFreeGuidance, ModularPipeline

from sega_vectors import (
    Applier,
    Concept,
    IncompatibleError,
    InvalidInputError,
    Library,
    Recorder,
    SegaGuidance,
    UnknownRefError,
)
from tests.store.samples import without_noise

from .closeness import rounding
from .modular import assembled
from .tiny import stable_diffusion_xl

PLACE = {"height": 32, "width": 32, "output": "latents"}
CALL: dict[str, Any] = {"prompt": "a king", "num_inference_steps": 6}
OTHER: dict[str, Any] = {**CALL, "prompt": "a drawing of a queen"}
GLASSES = Concept("glasses", 4.0, 0.9, 1)
SMILE = Concept("a smile", 6.0, 0.95, 3, reverse_editing_direction=True, edit_weight=0.5)


def generator(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def classic_run(pipe: Any, call: dict[str, Any], seed: int = 3) -> torch.Tensor:
    images: torch.Tensor = pipe(
        **{"guidance_scale": 7.5, **call}, output_type="latent", generator=generator(seed)
    ).images
    return images


def modular_run(pipe: Any, call: dict[str, Any], seed: int | list[int] = 3) -> torch.Tensor:
    drawn = [generator(s) for s in seed] if isinstance(seed, list) else generator(seed)
    latents: torch.Tensor = pipe(**{**PLACE, "generator": drawn, **call})
    return latents


@cache
def classic(scheduler: str = "euler") -> Any:
    return stable_diffusion_xl(scheduler)


@cache
def modular(scheduler: str = "euler") -> Any:
    return assembled("sdxl", classic(scheduler))


def guided(guider: Any, scheduler: str = "euler") -> Any:
    """The modular pipeline of the classic one's components, with another guider."""
    pipe = modular(scheduler)
    pipe.update_components(guider=guider)
    return pipe


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Of two vectors that the recorder made with the classic pipeline."""
    recorder = Recorder(classic(), [GLASSES, SMILE], edit_momentum_scale=0.3)
    classic_run(recorder, CALL)
    kept = Library(tmp_path_factory.mktemp("library"))
    for vector, noise in zip(recorder.vectors, recorder.noises, strict=True):
        kept.add(vector, noise)
    return kept


def both(library: Library, **options: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The edited run of the modular and of the classic pipeline, and the plain one."""
    vectors = [library["glasses"], library["a smile"]]
    edited = modular_run(guided(SegaGuidance(library, ["glasses", "a smile"], **options)), OTHER)
    return edited, classic_run(Applier(classic(), vectors, **options), OTHER), classic_run(classic(), OTHER)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"edit_momentum_scale": 0.8, "edit_mom_beta": 0.7},
        {"edit_momentum_scale": [0.8, 0.1]},
        {"edit_warmup_steps": [0, 4], "edit_cooldown_steps": 5, "edit_weights": [1.0, 0.3]},
        {"edit_guidance_scale": 9.0, "edit_threshold": 0.97, "reverse_editing_direction": [True, None]},
    ],
)
def test_a_vector_does_in_a_modular_pipeline_what_it_does_in_a_classic_one(
    library: Library, options: dict[str, Any]
) -> None:
    edited, expected, plain = both(library, **options)
    assert (expected - plain).abs().max() > 1e-2 * plain.abs().max()
    assert (edited - expected).abs().max() < rounding(expected, plain)


@pytest.mark.parametrize("scheduler", ["ddim", "dpmsolver++"])  # PNDM amplifies rounding in the plain run, too
def test_another_sampler_and_number_of_steps(library: Library, scheduler: str) -> None:
    """Matched by log-SNR, from the timesteps alone."""
    pipe = classic(scheduler)
    call = {**OTHER, "num_inference_steps": 9}
    expected = classic_run(Applier(pipe, [library["glasses"], library["a smile"]]), call)
    tolerance = rounding(expected, classic_run(pipe, call))
    guider = SegaGuidance(library, ["glasses", "a smile"])
    edited = modular_run(guided(guider, scheduler), call)
    assert (edited - expected).abs().max() < tolerance
    (one, _) = guider.check(modular(scheduler), 9)
    assert "num_inference_steps 9 instead of 6" in one.differences


def test_it_starts_from_the_stored_noise(library: Library) -> None:
    guider = SegaGuidance(library, ["glasses"])
    pipe = guided(guider)
    assert torch.equal(modular_run(pipe, {**OTHER, "latents": guider.latents}), modular_run(pipe, OTHER))


@pytest.mark.parametrize(
    "options", [{}, {"guidance_rescale": 0.5}, {"use_original_formulation": True}, {"start": 0.3, "stop": 0.8}]
)
def test_nothing_added_is_classifier_free_guidance_to_the_bit(library: Library, options: dict[str, Any]) -> None:
    plain = modular_run(guided(ClassifierFreeGuidance(guidance_scale=5.0, **options)), OTHER)
    for refs, zero in (
        ([], {}),
        (["glasses"], {"edit_guidance_scale": 0.0}),
        (["glasses"], {"edit_weights": 0.0}),
        (["glasses"], {"edit_warmup_steps": 99}),
    ):
        guider = SegaGuidance(library, refs, guidance_scale=5.0, **options, **zero)
        assert torch.equal(modular_run(guided(guider), OTHER), plain)


def test_disabled_it_still_adds_the_vectors(library: Library) -> None:
    """Pipelines disable the guiders of models that are distilled to need no classifier-free guidance."""
    prediction = torch.zeros(1, 4, 16, 16)
    added = []
    allowed: dict[str, Any] = {"allow": ["noise"]}  # no denoiser is called that would show one
    for guider in (SegaGuidance(library, ["glasses"], edit_warmup_steps=0, **allowed), SegaGuidance(library)):
        guider.disable()
        guider.set_state(0, 6, torch.tensor(999.0))
        added.append(guider.forward(prediction).pred)
    first = 4.0 * torch.from_numpy(library["glasses"].dense()[0])
    torch.testing.assert_close(added[0][0], first)
    assert torch.equal(added[1], prediction)


def test_without_classifier_free_guidance_the_vector_still_acts(library: Library) -> None:
    pipe = classic()
    call = {**OTHER, "guidance_scale": 1.0}
    expected = classic_run(Applier(pipe, [library["glasses"]]), call)
    edited = modular_run(guided(SegaGuidance(library, ["glasses"], guidance_scale=1.0)), OTHER)
    assert (edited - expected).abs().max() < rounding(expected, classic_run(pipe, call))


def test_it_is_added_after_guidance_rescale(library: Library) -> None:
    pipe = classic()
    call = {**OTHER, "guidance_rescale": 0.7}
    expected = classic_run(Applier(pipe, [library["glasses"]]), call)
    edited = modular_run(guided(SegaGuidance(library, ["glasses"], guidance_rescale=0.7)), OTHER)
    assert (edited - expected).abs().max() < rounding(expected, classic_run(pipe, call))


def test_in_a_batch_it_acts_on_the_samples_of_its_noise(library: Library) -> None:
    """As in the applier; the other samples are those of the plain run."""
    call = {**CALL, "prompt": ["a king", "a queen"]}
    edited = modular_run(guided(SegaGuidance(library, ["glasses"])), call, seed=[3, 4])
    plain = modular_run(guided(ClassifierFreeGuidance()), call, seed=[3, 4])
    expected = classic_run(Applier(classic(), [library["glasses"]]), CALL)
    assert (edited[:1] - expected).abs().max() < rounding(expected, plain[:1])
    assert torch.equal(edited[1:], plain[1:])


def test_one_guider_serves_run_after_run(library: Library) -> None:
    guider = SegaGuidance(library, ["glasses", "a smile"])
    pipe = guided(guider)
    first = modular_run(pipe, OTHER)
    modular_run(pipe, {**CALL, "num_inference_steps": 3})
    assert torch.equal(modular_run(pipe, OTHER), first)
    assert not pipe.unet._forward_pre_hooks


def test_a_fault_leaves_no_hook_on_the_denoiser(library: Library) -> None:
    pipe = guided(SegaGuidance(library, ["glasses"]))

    def fail(*_: Any) -> None:
        raise RuntimeError("a fault in the denoiser")

    with (
        pipe.unet.conv_in.register_forward_pre_hook(fail),
        pytest.raises(RuntimeError, match="a fault in the denoiser"),
    ):
        modular_run(pipe, OTHER)
    assert not pipe.unet._forward_pre_hooks


@pytest.mark.parametrize("edit_momentum_scale", [0.0, 0.3])
def test_a_second_guider_takes_over_in_the_middle(library: Library, edit_momentum_scale: float) -> None:
    """As in Wan 2.2, run after run; momentum starts anew with it."""
    alone, early, late = (
        SegaGuidance(library, ["glasses", "a smile"], edit_momentum_scale=edit_momentum_scale, allow=allow)
        for allow in (["noise"], ["noise"], [])  # no denoiser is called that would show one; the late one doesn't ask
    )
    prediction = torch.zeros(1, 4, 16, 16)

    def steps(guiders: list[SegaGuidance]) -> list[torch.Tensor]:
        added = []
        for step, timestep in enumerate(library["glasses"].timesteps):
            guider = guiders[step * len(guiders) // 6]
            guider.set_state(step, 6, torch.tensor(timestep))
            added.append(guider.forward(prediction, prediction).pred)
        return added

    whole, first, second = steps([alone]), steps([early, late]), steps([early, late])
    assert sum(bool(added.any()) for added in whole) == 5
    torch.testing.assert_close(second, first)
    torch.testing.assert_close(first[:3] if edit_momentum_scale else first, whole[:3] if edit_momentum_scale else whole)


def test_another_noise_is_refused(library: Library) -> None:
    with pytest.raises(IncompatibleError, match=r"latents=guider.latents"):
        modular_run(guided(SegaGuidance(library, ["glasses"])), OTHER, seed=9)
    moved = modular_run(guided(SegaGuidance(library, ["glasses"], allow=["noise"])), OTHER, seed=9)
    assert not torch.equal(moved, modular_run(guided(ClassifierFreeGuidance()), OTHER, seed=9))


def test_a_noise_that_is_not_in_the_library_cannot_be_checked(library: Library, tmp_path: Path) -> None:
    without = Library(tmp_path)
    without.add(library["glasses"])
    guider = SegaGuidance(without, ["glasses"])
    assert torch.equal(
        modular_run(guided(guider), OTHER), modular_run(guided(SegaGuidance(library, ["glasses"])), OTHER)
    )
    modular_run(guided(guider), OTHER, seed=9)
    with pytest.raises(InvalidInputError, match="the vectors' are 0"):
        guider.latents  # noqa: B018


@pytest.mark.parametrize("allow", [(), ("noise",)])
def test_of_no_noise_it_is_refused_whatever_is_allowed(
    library: Library, tmp_path: Path, allow: tuple[str, ...]
) -> None:
    old = Library(tmp_path)
    old.add(without_noise(library["glasses"]))
    with pytest.raises(IncompatibleError, match="measured not to work: record the concept at"):
        SegaGuidance(old, ["glasses"], allow=allow)


def test_another_shape_is_refused(library: Library) -> None:
    with pytest.raises(IncompatibleError, match=r"shape \(4, 16, 16\), this run's are \(4, 16, 32\)"):
        modular_run(guided(SegaGuidance(library, ["glasses"])), {**OTHER, "width": 64})


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch's own, where it imports its compiler
def test_another_architecture_is_refused(library: Library) -> None:
    guider = SegaGuidance(library, ["glasses"])
    guider.set_state(0, 6, torch.tensor(999.0))
    with pytest.raises(IncompatibleError, match=r"a UNet2DConditionModel .* this run has a Linear"):
        guider.prepare_models(torch.nn.Linear(1, 1))
    guider.prepare_models(torch.compile(stable_diffusion_xl().unet))  # a wrapper, which isn't called here


def test_check_tells_what_a_guider_cannot_see(library: Library) -> None:
    guider = SegaGuidance(library, ["glasses"])
    pipe = assembled("sdxl", classic())
    assert guider.check(pipe, 6)[0].answer == "exact"
    (other,) = guider.check(assembled("sdxl", stable_diffusion_xl(seed=1)), 6)
    assert "fingerprints differ" in other.differences[0]
    recorded = pipe.scheduler
    for changes, message in (
        ({"prediction_type": "v_prediction"}, "is of epsilon, this pipeline's is v_prediction"),
        ({"beta_end": 0.02}, "another noise schedule than this pipeline's"),
    ):
        pipe.update_components(scheduler=type(recorded).from_config(recorded.config, **changes))
        with pytest.raises(IncompatibleError, match=message):
            guider.check(pipe, 6)


def test_save_and_load(library: Library, tmp_path: Path) -> None:
    guider = SegaGuidance(library, ["glasses"], 5.0, edit_guidance_scale=[9.0], allow={"noise"})
    guider.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "guider_config.json").read_text())
    assert config["library"] == str(library.root)
    assert config["vectors"] == [library["glasses"].id]
    expected = modular_run(guided(guider), OTHER)
    for again in (SegaGuidance.from_pretrained(tmp_path), guider.new(), SegaGuidance.from_config(config)):
        assert {**guider.config, **again.config, "_class_name": ""} == {**guider.config, "_class_name": ""}
        assert torch.equal(modular_run(guided(again), OTHER), expected)
    stronger = guider.new(edit_guidance_scale=12.0)
    assert not torch.equal(modular_run(guided(stronger), OTHER), expected)


def test_a_pipeline_saves_its_guider(library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pipe = guided(SegaGuidance(library, ["glasses"]))
    pipe.save_pretrained(str(tmp_path), overwrite_modular_index=True)
    loaded = ModularPipeline.from_pretrained(str(tmp_path))
    loaded.load_components()
    loaded.set_progress_bar_config(disable=True)
    assert isinstance(loaded.guider, SegaGuidance)
    expected, plain = modular_run(pipe, OTHER), modular_run(guided(ClassifierFreeGuidance()), OTHER)
    assert (modular_run(loaded, OTHER) - expected).abs().max() < rounding(expected, plain)

    saved = tmp_path / "guider" / "guider_config.json"
    saved.write_text(saved.read_text().replace(str(library.root), str(tmp_path / "moved")))
    without = ModularPipeline.from_pretrained(str(tmp_path))
    with caplog.at_level(logging.WARNING, logger="diffusers"):  # other tests may have silenced it
        without.load_components("guider")
    assert without.guider is None
    assert "UnknownRefError: Nothing in " in caplog.text


def test_what_is_missing_is_said(library: Library, tmp_path: Path) -> None:
    SegaGuidance(library, ["glasses"]).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "guider_config.json").read_text())
    (tmp_path / "guider_config.json").write_text(json.dumps({**config, "library": str(tmp_path / "moved")}))
    with pytest.raises(UnknownRefError, match=r"Nothing in .*moved is called"):
        SegaGuidance.from_pretrained(tmp_path)
    moved = SegaGuidance.from_pretrained(tmp_path, library=library.root)
    assert moved.vectors == (library["glasses"],)
    with pytest.raises(UnknownRefError, match="Did you mean 'glasses'"):
        SegaGuidance(library, ["glases"])


def test_bad_input(library: Library) -> None:
    with pytest.raises(InvalidInputError, match=r"pass \['glasses'\]"):
        SegaGuidance(library, "glasses")
    with pytest.raises(InvalidInputError, match="looser than the recording"):
        SegaGuidance(library, ["glasses"], edit_threshold=0.5)
    with pytest.raises(InvalidInputError, match="allow may name"):
        SegaGuidance(library, ["glasses"], allow=["seed"])
