"""The space and the sign of guidance."""

import pytest
import torch

from sega_vectors import PipelineError
from sega_vectors.latents.space import as_sample, orientation

GENERATOR = torch.Generator().manual_seed(0)
UNCOND, TEXT = (torch.randn(2, 4, 6, 8, generator=GENERATOR) for _ in range(2))


@pytest.mark.parametrize(
    ("predicted", "sample", "kept"),
    [
        ((2, 4, 6, 8), (2, 4, 6, 8), (4, 6, 8)),
        ((2, 4, 1, 6, 8), (2, 4, 6, 8), (4, 6, 8)),
        ((2, 8, 6, 8), (2, 4, 6, 8), (4, 6, 8)),  # a variance behind the channels
        ((2, 30, 16), (2, 24, 16), (24, 16)),  # tokens of a reference image behind the sample's
    ],
)
def test_a_prediction_takes_the_sample_s_shape(
    predicted: tuple[int, ...], sample: tuple[int, ...], kept: tuple[int, ...]
) -> None:
    prediction = torch.randn(predicted, generator=GENERATOR)
    found = as_sample(prediction, torch.zeros(sample))
    assert found.shape == (2, *kept)
    assert torch.equal(found.flatten(1), prediction.flatten(1)[:, : found[0].numel()])


def test_another_space_is_refused() -> None:
    with pytest.raises(PipelineError, match=r"\(4, 6, 8\), met \(4, 3, 8\): this pipeline can't be recorded"):
        as_sample(torch.zeros(1, 4, 3, 8), torch.zeros(1, 4, 6, 8))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("scale", [0.0, 1.0, 7.5, 30.0])
@pytest.mark.parametrize("factor", [1.0, 0.3])  # guidance_rescale
def test_the_sign_is_that_of_the_sum_of_weights(sign: int, scale: float, factor: float) -> None:
    guided = UNCOND + scale * (TEXT - UNCOND)
    assert orientation(sign * factor * guided, [UNCOND, TEXT]) == sign
    assert orientation(sign * factor * guided, [TEXT, UNCOND]) == sign
    assert orientation(sign * TEXT, [TEXT]) == sign


def test_equal_predictions_have_a_sign_too() -> None:
    assert orientation(-TEXT, [TEXT, TEXT.clone()]) == -1


def test_what_was_not_predicted_is_refused() -> None:
    with pytest.raises(PipelineError, match="must hand its scheduler what the denoiser predicted"):
        orientation(TEXT - UNCOND, [TEXT, UNCOND])
