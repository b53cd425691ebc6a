"""What is kept of a run's steps, in the order of a vector's values."""

from typing import Any

import numpy as np
import pytest
import torch

from sega_vectors.recording.sparse_buffer import SparseBuffer


def kept(*rows: list[list[float]], dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """One step of one sample: m_t of each concept, of channels of three places."""
    return torch.tensor([rows], dtype=dtype)


def test_values_are_in_the_order_of_channel_place_and_step() -> None:
    buffer = SparseBuffer()
    buffer.append(kept([[1, 0, 2], [0, 3, 0]]))
    buffer.append(kept([[4, 5, 0], [0, 0, 0]]))
    buffer.append(kept([[-6, 0, 0], [7, 8, 0]]))
    support, values = buffer.vector(0, 0)
    assert support.dtype == np.bool_
    assert support.tolist() == [
        [[True, False, True], [False, True, False]],
        [[True, True, False], [False, False, False]],
        [[True, False, False], [True, True, False]],
    ]
    assert values.tolist() == [1, 4, -6, 5, 2, 7, 3, 8]


def test_samples_and_concepts_are_kept_apart() -> None:
    buffer = SparseBuffer()
    for step in (0, 100):
        numbers = torch.arange(1.0, 7.0).reshape(2, 3, 1, 1) + step  # two samples, three concepts
        buffer.append(numbers * torch.tensor([1.0, 0.0]))
    for sample in range(2):
        for concept in range(3):
            support, values = buffer.vector(sample, concept)
            number = 3 * sample + concept + 1
            assert support.tolist() == [[[True, False]]] * 2
            assert values.tolist() == [number, number + 100]


def test_several_dimensions_of_space_keep_their_shape() -> None:
    dense = torch.zeros(1, 1, 2, 2, 3, 4)
    dense[0, 0, 1, 0, 2, 3], dense[0, 0, 0, 1, 0, 0] = 5, 9
    buffer = SparseBuffer()
    buffer.append(dense)
    support, values = buffer.vector(0, 0)
    assert support.shape == (1, 2, 2, 3, 4)
    assert np.argwhere(support).tolist() == [[0, 0, 1, 0, 0], [0, 1, 0, 2, 3]]
    assert values.tolist() == [9, 5]


def test_where_nothing_is_kept_a_vector_is_empty() -> None:
    buffer = SparseBuffer()
    buffer.append(kept([[0, -0.0, 0]]))
    support, values = buffer.vector(0, 0)
    assert (support.tolist(), values.tolist()) == ([[[False] * 3]], [])


@pytest.mark.parametrize(
    ("dtype", "name", "held", "bits"),
    [
        (torch.float32, "float32", np.float32, [1.5, -2.0]),
        (torch.float16, "float16", np.float16, [1.5, -2.0]),
        (torch.bfloat16, "bfloat16", np.uint16, [0x3FC0, 0xC000]),
    ],
)
def test_values_have_the_run_s_dtype(dtype: torch.dtype, name: str, held: type, bits: list[float]) -> None:
    buffer = SparseBuffer()
    buffer.append(kept([[1.5, -0.0, -2.0]], dtype=dtype))
    support, values = buffer.vector(0, 0)
    assert buffer.dtype == name
    assert values.dtype == held
    assert values.tolist() == bits
    assert support.tolist() == [[[True, False, True]]]


def test_what_is_given_may_be_written_over_afterwards() -> None:
    buffer, dense = SparseBuffer(), kept([[1, 0, 2]])
    buffer.append(dense)
    dense.zero_()
    assert buffer.vector(0, 0)[1].tolist() == [1, 2]


class Late:
    """The event of a copy to the host that comes to its end when it is waited for."""

    def __init__(self, host: torch.Tensor, dense: torch.Tensor) -> None:
        self._host, self._dense = host, dense

    def query(self) -> bool:
        return False

    def synchronize(self) -> None:
        self._host.copy_(self._dense)


def test_what_has_not_arrived_holds_up_what_comes_after_and_is_waited_for_at_the_end() -> None:
    buffer, host = SparseBuffer(), torch.zeros(1, 1, 1, 3)
    late: Any = Late(host, kept([[1, 0, 2]]))
    buffer.append(kept([[9, 0, 0]]))
    buffer._arriving.append((late, host))
    buffer.append(kept([[0, 7, 0]]))
    assert len(buffer._arriving) == 2
    assert buffer.vector(0, 0)[1].tolist() == [9, 1, 7, 2]
    assert not buffer._arriving
