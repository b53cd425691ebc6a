"""What recorder and applier give back as values, what they say before a run, and what they refuse to be given."""
# mypy: disable-error-code="arg-type,list-item,dict-item"

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sega_vectors import (
    AmbiguousRefError,
    Applier,
    Concept,
    IncompatibleError,
    InvalidInputError,
    Library,
    Recommendation,
    Recorder,
    Recording,
    SegaError,
    UnknownRefError,
)

from .tiny import stable_diffusion

CALL: dict[str, Any] = {"prompt": "a king", "num_inference_steps": 4, "output_type": "latent"}
OTHER: dict[str, Any] = {**CALL, "prompt": "a queen"}
GLASSES, SMILE = Concept("glasses", 4.0, 0.9, 1), Concept("a smile", 6.0, 0.95, 1)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def record(pipe: Any, *seeds: int, concepts: tuple[Concept, ...] = (GLASSES, SMILE)) -> Recording:
    drawn = [generator(seed) for seed in seeds]
    return Recorder(pipe, concepts).record(**{**CALL, "prompt": ["a king"] * len(seeds)}, generator=drawn)


def kept(pipe: Any, folder: Path, *seeds: int) -> tuple[Library, Recording]:
    library, made = Library(folder / "library"), record(pipe, *seeds)
    for vector, noise in zip(made.vectors, made.noises, strict=True):
        library.add(vector, noise, name=f"{vector.concept.text} {noise.seed}")
    return library, made


def test_a_recording_is_a_value() -> None:
    pipe = stable_diffusion()
    recorder = Recorder(pipe, [GLASSES])
    first = recorder.record(**CALL, generator=generator(3))
    assert (recorder.vectors, recorder.noises, recorder.notes) == ([], [], [])
    output = recorder(**CALL, generator=generator(4))
    assert torch.equal(output.images, recorder.record(**CALL, generator=generator(4)).output.images)
    assert [noise.seed for noise in (*first.noises, *recorder.noises)] == [3, 4]
    assert first.vectors[0].provenance.noise == first.noises[0].facts
    assert first.vectors[0] != recorder.vectors[0]


def test_an_application_says_which_samples_each_vector_acted_on() -> None:
    pipe = stable_diffusion()
    made = record(pipe, 3, 4)  # glasses and smile of seed 3, then of seed 4
    applier = Applier(pipe, [made.vectors[2], made.vectors[1], made.vectors[0]])
    drawn = [generator(seed) for seed in (4, 3, 4)]
    applied = applier.apply(**{**OTHER, "prompt": ["a queen"] * 3}, generator=drawn)
    assert applied.samples == [(0, 2), (1,), (1,)]
    assert [one.answer for one in applied.compatibility] == ["exact"] * 3
    assert (applier.compatibility, applier.notes) == ([], [])
    assert len(applied.output.images) == 3


def test_check_says_before_a_run_what_the_run_says() -> None:
    pipe = stable_diffusion()
    made = record(pipe, 3)
    applier = Applier(pipe, made.vectors, noise=made.noises[0])
    before = applier.check(**OTHER, guidance_scale=3.0)
    assert [one.answer for one in before] == ["compatible"] * 2
    assert before == applier.apply(**OTHER, guidance_scale=3.0).compatibility
    drawing = generator(5)
    with pytest.raises(IncompatibleError, match="initial noise"):
        Applier(pipe, made.vectors).check(**OTHER, generator=drawing)
    assert torch.equal(drawing.get_state(), generator(5).get_state())
    assert [one.answer for one in Applier(pipe, made.vectors).check(**OTHER, generator=generator(3))] == ["exact"] * 2


def test_from_library_takes_noise_and_recommendation(tmp_path: Path) -> None:
    pipe = stable_diffusion()
    library, made = kept(pipe, tmp_path, 3)
    library.annotate("a smile", recommended=Recommendation(2.0, 0.97, 0, "me", 3, 0, 4))
    expected = Applier(
        pipe,
        made.vectors,
        noise=made.noises[0],
        edit_guidance_scale=[1.5 * 4.0, -2.0],
        edit_threshold=[None, 0.97],
        edit_warmup_steps=[None, 0],
    )(**OTHER).images
    scales = {"glasses": 1.5, "a smile": -1}
    for place in (library, library.where):
        assert torch.equal(Applier.from_library(pipe, place, scales)(**OTHER).images, expected)
    plain = Applier.from_library(pipe, library, ["glasses"], noise=made.noises[0])(**OTHER).images
    assert torch.equal(plain, Applier(pipe, made.vectors[:1], noise=made.noises[0])(**OTHER).images)


def test_from_library_refuses_several_noises_and_a_missing_one(tmp_path: Path) -> None:
    pipe = stable_diffusion()
    library, made = kept(pipe, tmp_path, 3, 4)
    with pytest.raises(IncompatibleError, match=r"one initial noise, met \w{12} \(glasses 3\), \w{12} \(glasses 4\)"):
        Applier.from_library(pipe, library, ["glasses 3", "glasses 4"])
    with pytest.raises(AmbiguousRefError):
        Applier.from_library(pipe, library, ["glasses"])
    assert Applier.from_library(pipe, library, ["glasses"], seed=4).vectors == (made.vectors[2],)
    assert library.load("a smile", seed=3).vector == made.vectors[1]
    two = Applier.from_library(pipe, library, ["glasses 3", "glasses 4"], noise=[made.noises[0], made.noises[2]])
    assert two.apply(**{**OTHER, "prompt": ["a queen"] * 2}).samples == [(0,), (1,)]
    lacking = Library(tmp_path / "lacking")
    lacking.add(made.vectors[0])
    with pytest.raises(UnknownRefError, match="doesn't hold the initial noise"):
        Applier.from_library(pipe, lacking, ["glasses"])


def test_load_gives_all_that_belongs_to_a_vector(tmp_path: Path) -> None:
    library, made = kept(stable_diffusion(), tmp_path, 3)
    recommended = Recommendation(2.0, 0.97, 0, "me", 3, 0, 4)
    library.annotate("a smile", recommended=recommended)
    stored = library.load("a smile")
    assert (stored.vector, stored.noise, stored.recommended) == (made.vectors[1], made.noises[1], recommended)
    assert stored.tuned == stored.vector
    concept = stored.tuned.concept
    assert (concept.edit_guidance_scale, concept.edit_threshold, concept.edit_warmup_steps) == (2.0, 0.97, 0)
    plain = library.load("glasses")
    assert (plain.recommended, plain.tuned.concept) == (None, made.vectors[0].concept)
    library.add(made.vectors[0].thresholded(0.99), name="alone")
    assert library.load("alone").noise == made.noises[0]


def test_reprs_say_what_it_is() -> None:
    pipe = stable_diffusion()
    recorder = Recorder(pipe, [GLASSES])
    assert repr(recorder) == "<Recorder of ['glasses'] on StableDiffusionPipeline, 0 vectors recorded>"
    recorder(**CALL, generator=generator(3))
    assert "1 vectors recorded" in repr(recorder)
    assert repr(Applier(pipe, recorder.vectors)) == "<Applier of ['glasses'] on StableDiffusionPipeline>"
    assert "of seed 3 on cpu" in repr(recorder.noises[0])


def test_a_vector_is_an_array_to_numpy() -> None:
    vector = record(stable_diffusion(), 3).vectors[0]
    assert np.asarray(vector).shape == vector.shape
    np.testing.assert_array_equal(np.asarray(vector), vector.dense())
    assert np.asarray(vector, np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="copy=False"):
        np.array(vector, copy=False)


WRONG: dict[str, tuple[Callable[[Any, Any, Any], Any], str]] = {
    "one vector": (lambda pipe, v, _: Applier(pipe, v), "vectors must be a list of GuidanceVector, met a Guid"),
    "a REF as vector": (lambda pipe, v, _: Applier(pipe, ["glasses"]), "met a str: pass .* library"),
    "a tensor as noise": (lambda pipe, v, _: Applier(pipe, [v], noise=torch.zeros(4)), "InitialNoise, met a Tensor"),
    "tensors as noise": (lambda pipe, v, _: Applier(pipe, [v], noise=[torch.zeros(4)]), "InitialNoise, met a Tensor"),
    "a text as threshold": (lambda pipe, v, _: Applier(pipe, [v], edit_threshold="0.9"), "finite number, met '0.9'"),
    "a text as direction": (lambda pipe, v, _: Applier(pipe, [v], reverse_editing_direction="no"), "true or false"),
    "no pipeline": (lambda *_: Recorder("embedded", [GLASSES]), "pipeline of diffusers, met a str: load"),
    "nothing to call": (lambda *_: Applier(None, []), "pipeline of diffusers, met a NoneType"),
    "texts as concepts": (lambda pipe, *_: Recorder(pipe, ["glasses"]), r"Concept, met a str: pass \[Concept"),
    "one concept": (lambda pipe, *_: Recorder(pipe, GLASSES), "list of Concept, met a Concept"),
    "a text as beta": (lambda pipe, *_: Recorder(pipe, [GLASSES], edit_mom_beta="a"), "finite number, met 'a'"),
    "embeddings of nothing": (lambda pipe, *_: Recorder(pipe, [GLASSES], embeddings=5), "Mapping, met a int"),
    "a number as REF": (lambda _, v, library: library[5], "REF, name or word is a text, met a int"),
    "a number as place": (lambda *_: Library(5), "str | os.PathLike, met a int"),
    "a tensor to keep": (lambda _, v, library: library.add(torch.zeros(3)), "vector must be a GuidanceVector, met a T"),
    "a tensor as its noise": (lambda _, v, library: library.add(v, torch.zeros(3)), "noise must be a InitialNoise"),
    "a text as tags": (lambda _, v, library: library.annotate("glasses 3", tags="abc"), "tags must be a list of str"),
    "a number as advice": (lambda _, v, library: library.annotate("glasses 3", recommended=5), "Recommendation"),
    "a number as query": (lambda _, v, library: library.search(5), "query must be a str"),
    "a text as REFs": (lambda _, v, library: library.verify("glasses 3"), "refs must be a list of str, met a str"),
    "a scale of letters": (lambda pipe, _, library: Applier.from_library(pipe, library, {"glasses 3": "x"}), "finite"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_types_are_refused_with_the_remedy(wrong: str, tmp_path: Path) -> None:
    pipe = stable_diffusion()
    library, made = kept(pipe, tmp_path, 3)
    ask, message = WRONG[wrong]
    with pytest.raises(SegaError, match=message) as caught:
        ask(pipe, made.vectors[0], library)
    assert isinstance(caught.value, InvalidInputError)
    assert library.load("glasses 3").recommended is None
    assert not library.verify().damages
