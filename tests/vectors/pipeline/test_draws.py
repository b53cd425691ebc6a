"""Seeing and replacing the noise that a pipeline draws."""

import torch
from diffusers.utils.torch_utils import randn_tensor
from torch.overrides import TorchFunctionMode

from sega_vectors.pipeline.draws import Draws, SubstitutedDraws

NOISES = [torch.full((4, 3, 2), value) for value in (1.0, 2.0)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_draws_are_seen_until_it_is_closed() -> None:
    with Draws() as draws:
        first = torch.randn(3)
        torch.rand(3)
        draws.close()
        torch.randn(3)
        draws.close()
    assert len(draws.tensors) == 1
    assert torch.equal(draws.tensors[0], first)


def test_another_mode_outside_is_left_alone() -> None:
    class Outer(TorchFunctionMode):
        calls = 0

        def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            self.calls += 1
            return func(*args, **(kwargs or {}))

    with Outer() as outer:
        with Draws() as draws:
            draws.close()
        before = outer.calls
        torch.randn(2)
        assert outer.calls == before + 1


def test_stored_noise_takes_the_place_of_a_batch_and_the_generator_goes_on_as_ever() -> None:
    drawn, free = generator(), generator()
    with SubstitutedDraws(NOISES):
        other = randn_tensor((5,), generator=drawn)
        found = randn_tensor((2, 4, 3, 2), generator=drawn, dtype=torch.float16)
        again = randn_tensor((2, 4, 3, 2), generator=drawn)
    assert found.dtype == torch.float16
    assert torch.equal(found.float(), torch.stack(NOISES))
    assert torch.equal(other, torch.randn(5, generator=free))
    torch.randn(2, 4, 3, 2, generator=free, dtype=torch.float16)
    assert torch.equal(again, torch.randn(2, 4, 3, 2, generator=free)), "only the first of that size"


def test_stored_noise_for_a_generator_a_sample_and_a_dimension_more() -> None:
    with SubstitutedDraws(NOISES):
        found = randn_tensor((2, 1, 4, 3, 2), generator=[generator(), generator(1)])
    assert torch.equal(found[:, 0], torch.stack(NOISES))
