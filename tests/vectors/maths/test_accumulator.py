"""γ_t from what concepts keep: values made by hand from equations (13) to (15)."""

import pytest
import torch
from torch import Tensor

from sega_store import Concept
from sega_vectors.maths.accumulator import Accumulator, Momentum, early_weights, sharing, sum_step
from sega_vectors.maths.guidance import step_weights

ONE, TWO = torch.full((1, 2, 2), 1.0), torch.full((1, 2, 2), 10.0)
PLAIN = Momentum(0.0, 0.0)


def run(concepts: list[Concept], momenta: list[Momentum], steps: int) -> list[float | None]:
    """γ_t of each step, where the concepts keep ones and tens."""
    accumulator = Accumulator()
    kept = [ONE, TWO][: len(concepts)]

    def guidance(step: int) -> Tensor | None:
        return accumulator.guidance(sum_step(kept, step_weights(concepts, step), momenta, step))

    found = [guidance(step) for step in range(steps)]
    assert all(γ is None or bool((γ == γ.flatten()[0]).all()) for γ in found)
    return [None if γ is None else float(γ.flatten()[0]) for γ in found]


def test_momentum_builds_up_through_the_warm_up() -> None:
    # s_e = 2, s_m = 0.5, β = 0.25, δ = 2: γ = 2 + 0.5 ν, ν' = 0.25 ν + 0.75 γ
    expected: list[float | None] = []
    ν = 0.0
    for step in range(4):
        γ = 2 + 0.5 * ν
        ν = 0.25 * ν + 0.75 * γ
        expected.append(γ if step >= 2 else None)
    found = run([Concept("glasses", 2.0, 0.9, 2)], [Momentum(0.5, 0.25)], 4)
    assert found[:2] == [None, None]
    assert found[2:] == [pytest.approx(γ) for γ in expected[2:]]


def test_while_only_some_are_warm_they_guide_alone_with_weights_of_sum_one_and_without_momentum() -> None:
    concepts = [Concept("glasses", 2.0, 0.9, 0, edit_weight=0.5), Concept("hat", 3.0, 0.9, 2)]
    momentum = Momentum(1.0, 0.0)  # ν' = γ
    # joint: 0.5 * 2 * 1 + 1 * 3 * 10 = 31; γ_0 = 31, γ_1 = 62, γ_2 = 93
    assert run(concepts, [momentum] * 2, 3) == [2.0, 2.0, pytest.approx(93.0)]


def test_a_concept_that_has_cooled_down_adds_nothing_and_the_sign_is_its_direction() -> None:
    concepts = [Concept("glasses", 2.0, 0.9, 0, 2, True), Concept("hat", 3.0, 0.9, 0)]
    assert run(concepts, [PLAIN] * 2, 3) == [28.0, 28.0, 30.0]


def test_concepts_of_unlike_momentum_build_up_apart() -> None:
    concepts = [Concept("glasses", 2.0, 0.9, 0), Concept("hat", 1.0, 0.9, 0)]
    apart = run(concepts, [Momentum(1.0, 0.0), Momentum(0.5, 0.0)], 3)
    # 2, 4, 6 and 10, 15, 17.5
    assert apart == [pytest.approx(γ) for γ in (12.0, 19.0, 23.5)]
    assert sharing([PLAIN, Momentum(1.0, 0.0), PLAIN]) == {PLAIN: [0, 2], Momentum(1.0, 0.0): [1]}


def test_what_was_recorded_builds_up_and_is_converted_after() -> None:
    concepts = [Concept("glasses", 2.0, 0.9, 0)]
    converted = run(concepts, [Momentum(1.0, 0.0, (0.5, 2.0, 1.0))], 3)
    assert converted == [pytest.approx(γ) for γ in (1.0, 8.0, 6.0)]  # 2, 4, 6 times the factors
    early = [Concept("glasses", 2.0, 0.9, 0), Concept("hat", 3.0, 0.9, 9)]
    factors = Momentum(0.1, 0.4, (0.5, 2.0))
    assert early_weights(step_weights(early, 1), [factors, factors], 1) == [4.0, 0.0]
    assert early_weights(step_weights(early, 9), [factors, factors], 1) is None
