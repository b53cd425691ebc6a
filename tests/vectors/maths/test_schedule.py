"""Noise levels of schedulers, and matching the steps of one schedule to another's."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    DDPMScheduler,
    DDPMWuerstchenScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    HeunDiscreteScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)

from sega_vectors import Concept, GuidanceVector, Recorder
from sega_vectors.latents.tensors import as_doubles
from sega_vectors.maths.schedule import (
    Extent,
    StepMatch,
    TrainedSteps,
    extent,
    match_steps,
    noise_ratios,
    noise_to_signal,
    same_timesteps,
    trained_alphas,
)
from sega_vectors.pipeline.noise_levels import first_step, noise_levels, prediction_type
from tests.store import samples
from tests.vectors.tiny import SCHEDULERS, stable_diffusion


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_sigma_is_noise_over_signal(scheduler: str) -> None:
    made = SCHEDULERS[scheduler]()
    made.set_timesteps(7)
    timesteps = as_doubles(made.timesteps)
    alphas = made.alphas_cumprod[made.timesteps.long()].double().numpy()
    np.testing.assert_allclose(noise_levels(made, timesteps), np.sqrt((1 - alphas) / alphas), rtol=1e-2)


def test_sigmas_of_euler_and_flow_matching_are_the_scheduler_s() -> None:
    euler = EulerDiscreteScheduler(use_karras_sigmas=True)
    flow = FlowMatchEulerDiscreteScheduler(shift=3.0)
    for scheduler in (euler, flow):
        scheduler.set_timesteps(9)
        levels = noise_levels(scheduler, as_doubles(scheduler.timesteps))
        np.testing.assert_allclose(levels, as_doubles(scheduler.sigmas)[:9], rtol=2e-2)


def test_equal_schedules_match_step_by_step_with_repeats() -> None:
    heun = HeunDiscreteScheduler()
    heun.set_timesteps(5)
    timesteps = as_doubles(heun.timesteps)
    sigmas = noise_levels(heun, timesteps)
    match = match_steps(timesteps, sigmas, timesteps, sigmas)
    assert match_steps(timesteps[:-1], sigmas[:-1], timesteps, sigmas).exact  # a last timestep that no step takes
    assert match.exact
    assert match.lower.tolist() == match.upper.tolist() == list(range(9))


def test_other_schedules_match_by_log_snr() -> None:
    recorded = np.array([900.0, 600.0, 300.0, 0.0])
    sigmas = np.exp(np.array([3.0, 1.0, -1.0, -3.0]))
    match = match_steps(recorded, sigmas, np.array([750.0, 300.0, 10.0]), np.exp([2.0, -1.0, -9.0]))
    assert not match.exact
    position = match.lower + match.weight
    np.testing.assert_allclose(position, [0.5, 2.0, 3.0])


RECORDED = np.array([900.3, 700.1, 500.7, 300.9, 200.2, 100.6]), np.exp([3.0, 2.0, 1.0, 0.0, -1.0, -2.0])
ROUNDINGS = [1 - 5e-5, 1 - 1e-7, 1 + 1e-7, 1 + 5e-5, np.array([1 - 1e-5, 1 + 1e-5, 1 - 1e-5])]


@pytest.mark.parametrize("rounding", ROUNDINGS, ids=["less", "a bit less", "a bit more", "more", "either"])
def test_rounded_steps_match_as_exact_ones_do(rounding: Any) -> None:
    timesteps, ratios = RECORDED
    run = rounding * timesteps[[0, 2, 4]], rounding * ratios[[0, 2, 4]]
    match = match_steps(timesteps, ratios, *run)
    np.testing.assert_allclose(match.lower + match.weight, [0, 2, 4], atol=1e-3)
    assert not match.exact
    assert [match.steps_before(step) for step in range(7)] == [0, 1, 1, 2, 2, 3, 3]
    first_three = match_steps(timesteps[:3], ratios[:3], rounding * timesteps[:3], rounding * ratios[:3])
    assert first_three.exact
    assert [first_three.steps_before(step) for step in range(4)] == [0, 1, 2, 3]


@pytest.mark.parametrize("difference", [1e-3, -1e-3])
def test_steps_that_differ_by_more_than_rounding_are_others(difference: float) -> None:
    timesteps, ratios = RECORDED
    match = match_steps(timesteps, ratios, timesteps * (1 + difference), ratios * (1 + difference))
    assert not match.exact
    inner = (match.lower + match.weight)[1:-1]
    np.testing.assert_allclose(inner, np.arange(1, 5) - difference, atol=1e-4)


@pytest.mark.parametrize("rounded", ["recorded", "run", "both"])
def test_levels_in_single_precision_leave_warm_up_where_it_is(rounded: str) -> None:
    """Every second recorded step is one of the run: 981, 961, 941, ... and 961, 921, ..."""

    def levels(steps: int, single: bool) -> tuple[Any, Any]:
        scheduler = SCHEDULERS["ddim"]()
        scheduler.set_timesteps(steps)
        timesteps = as_doubles(scheduler.timesteps)
        sigmas = noise_levels(scheduler, timesteps)
        return timesteps, sigmas.astype(np.float32).astype(float) if single else sigmas

    match = match_steps(*levels(50, rounded != "run"), *levels(25, rounded != "recorded"))
    assert [match.steps_before(step) for step in range(51)] == [step // 2 for step in range(51)]


@pytest.mark.parametrize("rounding", [0.0, 1e-6, -1e-6])
def test_repeated_steps_are_one_however_they_are_rounded(rounding: float) -> None:
    recorded = np.array([900.0, 600.0, 600.0 * (1 + rounding), 300.0]), np.exp([3.0, 1.0, 1.0 + rounding, -1.0])
    match = match_steps(*recorded, np.array([750.0, 601.0, 450.0]), np.exp([2.0, 1.0, 0.0]))
    assert match.lower.tolist() == [0, 1, 1]
    np.testing.assert_allclose(match.weight, [0.5, 0, 0.5], atol=1e-3)
    assert (match.upper[0], match.upper[2]) == (1, 3)


def test_warm_up_moves_to_the_same_noise_level() -> None:
    fine, coarse = SCHEDULERS["ddim"](), SCHEDULERS["ddim"]()
    fine.set_timesteps(50)
    coarse.set_timesteps(10)
    a, b = as_doubles(fine.timesteps), as_doubles(coarse.timesteps)
    match = match_steps(a, noise_levels(fine, a), b, noise_levels(coarse, b))
    assert match.steps_before(10) == pytest.approx(2, abs=1)
    assert match.steps_before(0) == 0
    assert match.steps_before(99) == 10


def test_zero_terminal_snr_is_finite() -> None:
    scheduler = SCHEDULERS["ddim"]()
    scheduler.alphas_cumprod[-1] = 0
    assert np.isfinite(noise_levels(scheduler, np.array([999.0]))).all()
    assert torch.isfinite(scheduler.alphas_cumprod).all()


def test_flow_and_diffusion_levels_are_compared_as_ratios() -> None:
    np.testing.assert_allclose(noise_ratios(np.array([0.5, 0.8]), "flow_prediction"), [1.0, 4.0])
    np.testing.assert_allclose(noise_ratios(np.array([0.5, np.inf]), "epsilon"), [0.5, 1e6])


def test_flow_matching_by_configuration() -> None:
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    scheduler.set_timesteps(5)
    levels = noise_levels(scheduler, as_doubles(scheduler.timesteps))
    np.testing.assert_allclose(levels, as_doubles(scheduler.sigmas)[:5])
    assert prediction_type(scheduler) == "flow_prediction"


def test_würstchen_s_levels_are_those_that_its_noise_is_added_at() -> None:
    scheduler = DDPMWuerstchenScheduler()
    scheduler.set_timesteps(4)
    timesteps = scheduler.timesteps[:-1]
    noisy = scheduler.add_noise(torch.zeros(4, 1), torch.ones(4, 1), timesteps)
    signal = scheduler.add_noise(torch.ones(4, 1), torch.zeros(4, 1), timesteps)
    expected = (noisy / signal).flatten().numpy()
    np.testing.assert_allclose(noise_levels(scheduler, as_doubles(timesteps)), expected, rtol=1e-4)


def recorded_by(config: dict[str, Any]) -> GuidanceVector:
    recorder = Recorder(stable_diffusion(), [Concept("glasses")])
    recorder("a king", num_inference_steps=4, output_type="latent", generator=torch.Generator().manual_seed(3))
    (vector,) = recorder.vectors
    facts = vector.provenance.scheduler
    changed = replace(facts, config={**facts.config, **config})
    return replace(vector, provenance=replace(vector.provenance, scheduler=changed))


@pytest.mark.parametrize(
    "config",
    [{"num_train_timesteps": 10**12}, {"beta_start": "0"}, {"beta_schedule": "unheard of"}, {"trained_betas": [0.1]}],
)
def test_where_the_recorded_betas_are_of_no_use_steps_match_between_the_recorded_ones(config: dict[str, Any]) -> None:
    vector = recorded_by(config)
    between = vector.timesteps[:-1] / 2 + vector.timesteps[1:] / 2
    found = TrainedSteps(vector).match(np.concatenate([vector.timesteps, between]))
    assert found.exact
    apart = TrainedSteps(vector).match(between)
    assert not apart.exact
    np.testing.assert_array_equal(apart.lower, [0, 1, 2])
    assert (apart.weight > 0).all()
    betas = TrainedSteps(recorded_by({})).match(between)
    assert (abs(apart.weight - betas.weight) > 1e-3).any()


def test_the_first_step_of_a_part_of_a_schedule() -> None:
    heun = HeunDiscreteScheduler()
    heun.set_timesteps(5)
    assert first_step(heun, heun.timesteps[0], None) == 0
    assert first_step(heun, heun.timesteps[2], None) == 1  # the places 1 and 2 have one timestep
    heun.set_begin_index(2)
    assert first_step(heun, heun.timesteps[2], None) == 2
    pndm = PNDMScheduler(skip_prk_steps=True)
    pndm.set_timesteps(5)
    assert pndm.timesteps[1] == pndm.timesteps[2]
    assert [first_step(pndm, pndm.timesteps[1], count) for count in (5, 4)] == [1, 2]
    assert first_step(pndm, pndm.timesteps[3], 1) == 3  # a run that ends early takes fewer


@pytest.mark.parametrize("schedule", ["linear", "scaled_linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("rescaled", [False, True])
def test_the_trained_noise_schedule_is_that_of_diffusers(schedule: str, rescaled: bool) -> None:
    scheduler = DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule=schedule, rescale_betas_zero_snr=rescaled
    )
    found = trained_alphas(scheduler.config)
    assert found is not None
    np.testing.assert_allclose(found, as_doubles(scheduler.alphas_cumprod), rtol=2e-4, atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("num_inference_steps", [10, 25, 37])
def test_warm_up_ends_at_its_noise_level_whatever_the_rounding(dtype: Any, num_inference_steps: int) -> None:
    fine, other = SCHEDULERS["ddim"](), SCHEDULERS["ddim"]()
    fine.set_timesteps(50)
    other.set_timesteps(num_inference_steps)
    a, b = as_doubles(fine.timesteps), as_doubles(other.timesteps)
    recorded, run = noise_levels(fine, a), noise_levels(other, b)
    expected = [int(np.count_nonzero(run > recorded[δ] * (1 + 1e-6))) for δ in range(50)]
    rounded = match_steps(a, recorded.astype(dtype).astype(np.float64), b, run)
    assert [rounded.steps_before(δ) for δ in range(50)] == expected
    assert [match_steps(a, recorded, b, run.astype(dtype).astype(np.float64)).steps_before(δ) for δ in range(50)] == (
        expected
    )


def test_timesteps_that_differ_by_rounding_are_the_same() -> None:
    recorded = np.array([999.0, 799.2002, 399.5, 0.0])
    run = np.array([999.0, 799.2003, 399.5, 6.8e-6])
    assert same_timesteps(recorded, run).all()
    ratios = np.array([14.0, 5.0, 1.0, 0.03])
    assert match_steps(recorded, ratios, run, ratios * (1 + 1e-5)).exact
    assert not same_timesteps(recorded, run + 1).any()
    assert not match_steps(recorded, ratios, run + 1, ratios * 1.01).exact


def test_steps_that_repeat_a_level_but_for_rounding_stand_as_one() -> None:
    recorded = np.array([900.0, 600.0, 600.0001, 300.0])
    levels = np.exp(np.array([3.0, 1.0, 1.0 - 1e-6, -1.0]))
    match = match_steps(recorded, levels, np.array([750.0, 600.0, 450.0]), np.exp(np.array([2.0, 1.0 - 5e-7, 0.0])))
    assert [match.at(step) for step in range(3)] == [
        [(pytest.approx(0.5), 0), (pytest.approx(0.5), 1)],
        [(1.0, 1)],
        [(pytest.approx(0.5), 1), (pytest.approx(0.5), 3)],
    ]


@pytest.mark.parametrize("rounding", [1e-6, -1e-6])
def test_the_first_step_where_rounding_parts_repeated_timesteps(rounding: float) -> None:
    heun = HeunDiscreteScheduler()
    heun.set_timesteps(5)
    heun.timesteps[2::2] *= 1 + rounding
    assert first_step(heun, heun.timesteps[1], None) == 1
    assert first_step(heun, heun.timesteps[2], None) == 1
    assert first_step(heun, heun.timesteps[1], 7) == 2, "a run of seven of nine steps"
    heun.set_begin_index(2)
    assert first_step(heun, heun.timesteps[1], None) == 2


@pytest.mark.parametrize(
    ("recorded", "covered"),
    [
        (Extent(), [True] * 5),
        (Extent(from_start=False), [False, True, True, True, True]),
        (Extent(to_end=False), [True, True, True, True, False]),
        (Extent(from_start=False, to_end=False), [False, True, True, True, False]),
    ],
)
def test_a_part_of_a_run_covers_its_own_noise_levels(recorded: Extent, covered: list[bool]) -> None:
    """A level that is the first or the last recorded one but for rounding is covered."""
    logs = np.array([3.0, 2.0 + 5e-5, 1.0, -1.0 - 5e-5, -2.0])
    match = match_steps(np.array([800.0, 200.0]), np.exp([2.0, -1.0]), np.linspace(900, 1, 5), np.exp(logs), recorded)
    assert match.covered.tolist() == covered
    assert [bool(match.at(step)) for step in range(5)] == covered


@pytest.mark.parametrize(("to_end", "covered"), [(True, [True] * 4), (False, [True, True, False, False])])
def test_the_first_steps_of_a_run_cover_the_others_only_if_they_went_to_the_end(
    to_end: bool, covered: list[bool]
) -> None:
    timesteps, ratios = np.array([900.0, 600.0, 300.0, 1.0]), np.exp([3.0, 1.0, -1.0, -3.0])
    match = match_steps(timesteps[:2], ratios[:2], timesteps, ratios, Extent(to_end=to_end))
    assert match.exact
    assert match.covered.tolist() == covered
    assert match.lower.tolist() == match.upper.tolist() == [0, 1, 1, 1]


def test_what_stands_for_a_step_and_where_it_was_recorded() -> None:
    match = StepMatch(
        np.array([0, 1, 1, 0]),
        np.array([1, 2, 2, 1]),
        np.array([0.25, 0.0, 1.0, 0.5]),
        exact=False,
        covered=np.array([True, True, True, False]),
    )
    assert [match.at(step) for step in range(4)] == [[(0.75, 0), (0.25, 1)], [(1.0, 1)], [(1.0, 2)], []]
    assert [match.steps_before(step) for step in range(4)] == [0, 2, 3, 4]
    np.testing.assert_allclose(match.between(np.exp([4.0, 2.0, 1.0])), np.exp([3.5, 2.0, 1.0, 3.0]))


FIFTHS = np.linspace(801, 1, 5)


@pytest.mark.parametrize(
    ("timesteps", "config", "run", "expected"),
    [
        (FIFTHS, {}, {}, Extent()),
        (FIFTHS + 99, {"num_train_timesteps": 1000}, {}, Extent()),
        (FIFTHS[1:], {"num_train_timesteps": 1000}, {}, Extent(from_start=False)),
        (FIFTHS, {"num_train_timesteps": 1101}, {}, Extent()),  # 801 + 1.5 * 200
        (FIFTHS, {"num_train_timesteps": 1102}, {}, Extent(from_start=False)),
        (FIFTHS, {"num_train_timesteps": "1102"}, {}, Extent()),
        (FIFTHS[:1], {"num_train_timesteps": 1102}, {"num_inference_steps": 1}, Extent()),
        (np.array([400.0, 400.0]), {"num_train_timesteps": 1000}, {"num_inference_steps": 2}, Extent(from_start=False)),
        (np.array([801.0, 601.0, 601.0, 401.0, 401.0]), {"num_train_timesteps": 1101}, {}, Extent()),
        (FIFTHS / 80.1, {"num_train_timesteps": 1000}, {}, Extent()),  # the first is 10: it counts log σ
        (FIFTHS / 80, {"num_train_timesteps": 1000}, {}, Extent(from_start=False)),
        (FIFTHS, {}, {"num_inference_steps": 6}, Extent(to_end=False)),
        (FIFTHS, {}, {"num_inference_steps": 6, "arguments": {"strength": 0.8}}, Extent()),
        (FIFTHS, {}, {"num_inference_steps": 6, "arguments": {"sigmas": [1.0]}}, Extent()),
        (FIFTHS, {}, {"num_inference_steps": 6, "arguments": {"timesteps": [1]}}, Extent()),
        (FIFTHS, {}, {"arguments": {"denoising_end": 0.5}}, Extent(to_end=False)),
        (FIFTHS, {}, {"num_inference_steps": 6, "arguments": {"denoising_start": 0.5}}, Extent(from_start=False)),
    ],
)
def test_how_much_of_a_whole_run_a_recording_holds(
    timesteps: Any, config: dict[str, Any], run: dict[str, Any], expected: Extent
) -> None:
    facts = samples.provenance(**{"num_inference_steps": 5, **run})
    facts = replace(facts, scheduler=replace(facts.scheduler, config=config))
    vector = samples.vector(shape=(len(timesteps), 1, 2, 2), facts=facts)
    assert extent(replace(vector, timesteps=timesteps)) == expected


BETAS = {"beta_start": 0.1, "beta_end": 0.3, "num_train_timesteps": 3, "beta_schedule": "linear"}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, [0.9, 0.9 * 0.8, 0.9 * 0.8 * 0.7]),
        ({"num_train_timesteps": 1}, [0.9]),
        ({"num_train_timesteps": 0}, None),
        ({"num_train_timesteps": 3.0}, None),
        ({"beta_start": 0.0}, None),
        ({"beta_start": 1.0}, None),
        ({"beta_end": 0.0}, None),
        ({"beta_end": 1.0}, None),
        ({"beta_start": 1}, None),
        ({"beta_end": None}, None),
        ({"trained_betas": [0.1]}, None),
        ({"beta_schedule": "sigmoid"}, None),
    ],
)
def test_trained_levels_by_hand_and_what_describes_none(config: dict[str, Any], expected: list[float] | None) -> None:
    found = trained_alphas({**BETAS, **config})
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        np.testing.assert_allclose(found, expected)


def test_a_stranger_s_number_of_training_steps_is_limited() -> None:
    longest = trained_alphas({**BETAS, "num_train_timesteps": 100_000})
    assert longest is not None
    assert len(longest) == 100_000
    assert trained_alphas({**BETAS, "num_train_timesteps": 100_001}) is None


def test_ratios_are_finite_at_both_ends() -> None:
    np.testing.assert_allclose(noise_to_signal(np.array([0.0, 0.2, 1.0])), [1e6, 2.0, 1e-6], rtol=1e-4)
    np.testing.assert_allclose(noise_ratios(np.array([0.0, 1.0]), "flow_prediction"), [1e-6, 1e6], rtol=1e-5)
    np.testing.assert_allclose(noise_ratios(np.array([0.0, 1e9]), "epsilon"), [1e-6, 1e6])
    assert same_timesteps(np.array([]), np.array([])).all()
