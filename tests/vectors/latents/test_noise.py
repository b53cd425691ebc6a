"""The initial noise: drawn, named, found in a run, and compared with what a run starts from."""

import numpy as np
import pytest
import torch

from sega_store import InitialNoise
from sega_vectors.latents.noise import as_tensor, draw, found, generators, named, points_along, starts
from sega_vectors.latents.packing import Packing

SHAPE = (4, 6, 8)
PACKING = Packing.of_patches(SHAPE, (12, 16))


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(seed: int = 3, rows: int = 2) -> torch.Tensor:
    return torch.randn(rows, *SHAPE, generator=generator(seed))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_drawing_is_the_generator_s(dtype: torch.dtype) -> None:
    noise = draw(SHAPE, 7, dtype)
    assert (noise.seed, noise.device, noise.dtype) == (7, "cpu", str(dtype).removeprefix("torch."))
    assert torch.equal(as_tensor(noise), torch.randn(SHAPE, generator=generator(7), dtype=dtype))


def test_a_noise_is_named_by_its_seed_only_if_a_fresh_generator_drew_it_alone() -> None:
    used = generator(5)
    torch.randn(1, generator=used)
    one, two, three = named(batch(rows=3), [generator(5), used, None])
    assert (one.seed, two.seed, three.seed) == (5, None, None)
    assert np.array_equal(one.array, batch(rows=3)[0].numpy())


def test_seeds_make_generators_where_all_have_one() -> None:
    known = [draw(SHAPE, seed, torch.float32) for seed in (1, 2)]
    made = generators(known, torch.device("cpu"))
    assert made is not None
    assert [g.initial_seed() for g in made] == [1, 2]
    assert generators([*known, InitialNoise(known[0].array)], torch.device("cpu")) is None
    assert generators([InitialNoise(known[0].array, seed=1, device="cuda")], torch.device("mps")) is None


@pytest.mark.parametrize("packing", [None, PACKING])
@pytest.mark.parametrize("sigma", [1.0, 14.6146])
def test_the_candidate_that_became_the_sample_is_found(packing: Packing | None, sigma: float) -> None:
    noise, other = batch(3), batch(4)
    sample = (noise if packing is None else packing.pack(noise)) * sigma
    sample = sample * (1 + 2e-6)  # another kernel's rounding
    assert torch.equal(found([None, other, noise], sample, sigma, packing), noise)
    singles = [noise[:1], noise[1:]]
    assert torch.equal(found(singles, sample, sigma, packing), noise)
    torch.testing.assert_close(found([other], sample, sigma, packing), noise, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_run_starts_from_its_noise_but_for_rounding(dtype: torch.dtype) -> None:
    noise = batch().to(dtype)
    sample = (noise * torch.tensor(14.6146)).to(dtype)
    eps = torch.finfo(dtype).eps
    assert starts(noise, sample * (1 + eps), 14.6146, None)
    assert starts(noise, sample, torch.tensor(14.6146), None)
    assert not starts(batch(4).to(dtype), sample, 14.6146, None)
    assert not starts(noise.flip(0), sample, 14.6146, None)
    assert not starts(noise, sample[:1], 14.6146, None)
    assert not starts(noise, sample * 0.9, 14.6146, None)
    assert not starts(noise, sample * torch.nan, 14.6146, None)


def test_a_picture_with_a_little_noise_is_not_the_noise() -> None:
    noise = batch()
    assert not starts(noise, 0.068 * torch.ones_like(noise) + 0.9977 * noise, 1.0, None)


@pytest.mark.parametrize("packing", [None, PACKING])
def test_a_multiple_of_a_noise_points_along_it(packing: Packing | None) -> None:
    noise, other = draw(SHAPE, 3, torch.float32), draw(SHAPE, 4, torch.float32)
    sample = 0.3 * as_tensor(noise).unsqueeze(0)
    sample = sample if packing is None else packing.pack(sample)
    assert points_along(noise, sample, packing)
    assert not points_along(other, sample, packing)
    assert not points_along(noise, sample[:, :1], packing if packing is None else None)


@pytest.mark.parametrize(("cosine", "along"), [(0.995, True), (0.985, False), (0.5, False), (-0.995, False)])
def test_how_nearly_a_sample_points_along_a_noise(cosine: float, along: bool) -> None:
    noise = draw(SHAPE, 3, torch.float32)
    unit = as_tensor(noise) / as_tensor(noise).norm()
    other = batch(4, 1)[0]
    other = other - (other * unit).sum() * unit
    sample = cosine * unit + (1 - cosine**2) ** 0.5 * other / other.norm()
    assert points_along(noise, 7 * sample.unsqueeze(0), None) == along


def test_tensors_of_other_shapes_are_no_candidates() -> None:
    noise = batch(3)
    one, two = noise[:1], noise[1:]
    others = [torch.zeros(1, 3), torch.zeros(4 * 6 * 8), torch.zeros(2, 3), torch.tensor(1.0), noise[0]]
    assert torch.equal(found([*others, one, two, batch(4)[:1]], noise, 1.0, None), noise)
    assert torch.equal(found([*others, one], noise * 2.0, 2.0, None), noise)


@pytest.mark.parametrize(
    ("drawn_on", "runs_on", "known"),
    [("cpu", "cuda", True), ("cpu", "cpu", True), ("cuda", "cpu", False)],
)
def test_a_seed_is_of_use_on_the_cpu_or_the_device_that_drew(drawn_on: str, runs_on: str, known: bool) -> None:
    noise = InitialNoise(draw(SHAPE, 7, torch.float32).array, seed=7, device=drawn_on)
    made = generators([noise], torch.device(runs_on))
    assert (made is not None) == known
    if made is not None:
        assert [(g.initial_seed(), g.device.type) for g in made] == [(7, "cpu")]
