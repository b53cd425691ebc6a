"""Recording and applying on modular pipelines: by the recorder and the applier, and by the guider."""

from pathlib import Path
from typing import Any

import pytest
import torch

from sega_vectors import Applier, Concept, IncompatibleError, Library, Recorder, SegaGuidance

from .closeness import assert_same_entries, rounding
from .families import FAMILIES
from .modular import ARGUMENTS, BLOCKS, GUIDANCE_SCALE, classic, modular

CALL: dict[str, Any] = {"prompt": "a photograph of a face", "num_inference_steps": 3, "height": 32, "width": 32}
CONCEPT = Concept("glasses", 4.0, 0.9, 1)
LIKE_CLASSIC = [name for name in BLOCKS if name != "sd3"]  # whose modular pipeline encodes its prompts in another way


def run(name: str, pipe: Any, **arguments: Any) -> torch.Tensor:
    call = {**CALL, **ARGUMENTS[name], "output": "latents", "generator": torch.Generator().manual_seed(0), **arguments}
    latents: torch.Tensor = pipe(**call)
    return latents


@pytest.mark.parametrize("name", BLOCKS)
def test_record_then_apply_is_the_recorded_run(name: str) -> None:
    pipe = modular(name)
    plain = run(name, pipe)
    recorder = Recorder(pipe, [CONCEPT])
    recorded = run(name, recorder)
    edit = (recorded - plain).abs().max()
    assert edit > 1e-3 * plain.abs().max()
    for replayed in (
        run(name, Applier(pipe, recorder.vectors)),
        run(name, Applier(pipe, recorder.vectors, noise=recorder.noises), generator=None),
    ):
        assert (replayed - recorded).abs().max() < rounding(recorded, plain)
    assert torch.equal(run(name, pipe), plain)


@pytest.mark.parametrize("name", LIKE_CLASSIC)
def test_the_vector_is_the_one_of_the_classic_pipeline(name: str) -> None:
    theirs, ours = (Recorder(pipe, [CONCEPT], guide=False) for pipe in (classic(name), modular(name)))
    run(name, ours)
    scale = {FAMILIES[name].scale: FAMILIES[name].arguments[FAMILIES[name].scale]}
    call = {**CALL, **ARGUMENTS[name], **scale, "output_type": "latent"}
    theirs(**call, generator=torch.Generator().manual_seed(0))
    assert ours.noises == theirs.noises
    expected, found = (torch.from_numpy(recorder.vectors[0].dense()) for recorder in (theirs, ours))
    assert_same_entries(found, expected, rtol=1e-5, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("name", GUIDANCE_SCALE)
def test_the_guider_does_what_the_applier_does(name: str, tmp_path: Path) -> None:
    pipe = modular(name)
    plain = run(name, pipe)
    recorder = Recorder(pipe, [CONCEPT])
    recorded = run(name, recorder)
    library = Library(tmp_path)
    library.add(recorder.vectors[0], recorder.noises[0])
    own = pipe.guider
    try:
        guider = SegaGuidance(library, ["glasses"], guidance_scale=GUIDANCE_SCALE[name])
        pipe.update_components(guider=guider)
        run(name, pipe, num_inference_steps=2)
        assert guider.check(pipe, 3)[0].answer == "exact"
        assert (run(name, pipe) - recorded).abs().max() < rounding(recorded, plain)
        pipe.update_components(guider=SegaGuidance(library, guidance_scale=GUIDANCE_SCALE[name]))
        assert torch.equal(run(name, pipe), plain)
    finally:
        pipe.update_components(guider=own)


def test_packed_latents_without_their_noise_are_refused(tmp_path: Path) -> None:
    pipe = modular("qwen_image")
    recorder = Recorder(pipe, [CONCEPT])
    run("qwen_image", recorder)
    library = Library(tmp_path)
    library.add(recorder.vectors[0])
    own = pipe.guider
    try:
        pipe.update_components(guider=SegaGuidance(library, ["glasses"]))
        with pytest.raises(IncompatibleError, match="add the vector with its noise"):
            run("qwen_image", pipe)
    finally:
        pipe.update_components(guider=own)
