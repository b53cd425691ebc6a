"""The guidance of a run, planned before it or step by step."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import HeunDiscreteScheduler

from sega_vectors import Applier, Concept, Recorder
from sega_vectors.latents.tensors import as_doubles
from sega_vectors.maths.accumulator import Momentum
from sega_vectors.maths.parameters import edits
from sega_vectors.maths.plan import GuidancePlan, PlannedVector, StepwisePlan, for_samples
from sega_vectors.maths.schedule import StepMatch
from sega_vectors.maths.sparse_steps import SparseSteps
from tests.store import samples
from tests.vectors.families import stable_diffusion_3
from tests.vectors.tiny import SCHEDULERS, stable_diffusion

CONCEPTS = [
    Concept("glasses", 4.0, 0.9, 2, edit_cooldown_steps=7),
    Concept("a smile", 6.0, 0.95, 4, reverse_editing_direction=True, edit_weight=0.5),
]
CPU = torch.device("cpu")


def assert_same_guidance(applier: Applier, scheduler: Any) -> None:
    """To rounding: timesteps are stored in double precision, and computed with in their own."""
    applier.pipe.scheduler = scheduler
    timesteps = as_doubles(scheduler.timesteps)
    before = applier.plan([0, 1], timesteps, CPU)
    stepwise = StepwisePlan(applier._edits, CPU)
    added = 0
    for timestep in scheduler.timesteps:
        expected, found = before.guidance(), stepwise.guidance(float(timestep))
        assert (expected is None) == (found is None)
        if expected is not None and found is not None:
            added += 1
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert 0 < added < len(timesteps)


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    made = Recorder(stable_diffusion(), CONCEPTS, edit_momentum_scale=0.3)
    made("a king", num_inference_steps=8, output_type="latent", generator=torch.Generator().manual_seed(3))
    return made


@pytest.mark.parametrize("num_inference_steps", [8, 13])
@pytest.mark.parametrize("sampler", [*SCHEDULERS, "heun"])
@pytest.mark.parametrize("options", [{}, {"edit_warmup_steps": [1, None], "edit_momentum_scale": [0.5, None]}])
def test_step_by_step_is_as_planned_before(
    recorder: Recorder, sampler: str, num_inference_steps: int, options: dict[str, Any]
) -> None:
    made = SCHEDULERS["euler"]() if sampler == "heun" else SCHEDULERS[sampler]()
    scheduler = HeunDiscreteScheduler.from_config(made.config) if sampler == "heun" else made
    scheduler.set_timesteps(num_inference_steps)
    assert_same_guidance(Applier(stable_diffusion(), recorder.vectors, **options), scheduler)


def test_step_by_step_where_the_recording_repeats_a_timestep() -> None:
    pipe = stable_diffusion("pndm")
    recorder = Recorder(pipe, CONCEPTS)
    recorder("a king", num_inference_steps=8, output_type="latent", generator=torch.Generator().manual_seed(3))
    assert len(set(recorder.vectors[0].timesteps)) < len(recorder.vectors[0].timesteps)
    assert_same_guidance(Applier(pipe, recorder.vectors), pipe.scheduler)


@pytest.mark.parametrize("num_inference_steps", [8, 13])
def test_step_by_step_with_flow_matching(num_inference_steps: int) -> None:
    pipe = stable_diffusion_3()
    recorder = Recorder(pipe, CONCEPTS)
    generator = torch.Generator().manual_seed(3)
    recorder("a king", num_inference_steps=8, height=16, width=16, output_type="latent", generator=generator)
    applier = Applier(pipe, recorder.vectors)
    pipe.scheduler.set_timesteps(num_inference_steps)
    assert_same_guidance(applier, pipe.scheduler)


def test_samples_get_what_is_assigned_to_them() -> None:
    one, two = torch.ones(2, 3), torch.full((2, 3), 2.0)
    rows = for_samples({(0,): one, (1,): two}, [(1,), (), (0,)])
    assert rows is not None
    assert torch.equal(rows, torch.stack([two, torch.zeros(2, 3), one]))
    shared = for_samples({(0, 1): one}, [(0, 1), (0, 1)])
    assert shared is not None
    assert torch.equal(shared, one.unsqueeze(0))
    assert for_samples({(0,): None}, [(0,), ()]) is None


def test_one_vector_by_hand() -> None:
    places, values = torch.tensor([0, 0, 1], dtype=torch.int32), torch.tensor([1.0, 2.0, 4.0])
    kept = SparseSteps(torch.Size((1, 1, 2)), places, values, [1, 2])
    match = StepMatch(
        lower=np.array([0, 0, 1, 1]),
        upper=np.array([1, 1, 1, 1]),
        weight=np.array([0.0, 0.5, 0.0, 0.0]),
        exact=False,
        covered=np.array([True, True, True, False]),
    )
    planned = PlannedVector(kept, Concept("glasses", 3.0, 0.9, 1), match, Momentum(0.5, 0.0))
    plan = GuidancePlan([planned], 4, CPU)
    assert plan.guidance() is None
    # 3 m: (3, 0), (4.5, 6), (6, 12), (0, 0); each has half of the one before added
    expected = [[6.0, 6.0], [9.0, 15.0], [4.5, 7.5]]
    assert [γ.flatten().tolist() for _ in expected if (γ := plan.guidance()) is not None] == expected


def test_vectors_add_up_where_they_overlap() -> None:
    def planned(places: list[int], values: list[float], scale: float) -> PlannedVector:
        kept = SparseSteps(
            torch.Size((1, 2, 3)), torch.tensor(places, dtype=torch.int32), torch.tensor(values), [len(places), 0]
        )
        zero = np.zeros(2, np.intp)
        match = StepMatch(zero, zero, np.zeros(2), exact=True, covered=np.array([True, False]))
        return PlannedVector(kept, Concept("glasses", scale, 0.9, 0), match, Momentum(0.0, 0.0))

    plan = GuidancePlan([planned([0, 3], [1.0, 2.0], 1.0), planned([3, 5], [10.0, 20.0], -0.5)], 2, CPU)
    first, second = plan.guidance(), plan.guidance()
    assert first is not None
    assert first.tolist() == [[[1.0, 0.0, 0.0], [-3.0, 0.0, -10.0]]]
    assert second is not None
    assert not second.any()


def test_one_vector_step_by_step() -> None:
    vector = samples.vector(edit_warmup_steps=1, edit_guidance_scale=3.0)
    names = (
        "edit_guidance_scale", "edit_threshold", "edit_warmup_steps", "edit_cooldown_steps",
        "reverse_editing_direction", "edit_weights", "edit_mom_beta",
    )  # fmt: skip
    plan = StepwisePlan(edits([vector], edit_momentum_scale=0.0, **dict.fromkeys(names)), CPU)
    found = [plan.guidance(float(timestep)) for timestep in vector.timesteps]
    assert found[0] is None
    for step in (1, 2):
        torch.testing.assert_close(found[step], 3 * torch.from_numpy(vector.dense()[step]))
