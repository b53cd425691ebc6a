"""The space that guidance lives in: the sample's own channels and places, and the sign that the scheduler expects.

Pipelines pass the denoiser's prediction on in various forms: packed or not, with a dimension more, with channels for a
learned variance, negated. What is recorded is always of the sample's unpacked shape (B, C, *S), with the sign that the
scheduler gets.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from sega_store import PipelineError
from sega_vectors.latents.packing import Packing


def as_sample(prediction: Tensor, sample: Tensor) -> Tensor:
    """A denoiser's prediction in the shape of the sample that the scheduler gets.

    Args:
        prediction: Of B rows; a dimension of length 1 more, or more entries along the first dimension (a learned
            variance, the tokens of reference images) are taken off.
        sample: Shape (B, ...).

    Raises:
        PipelineError: They don't fit.
    """
    if prediction.shape[1:] == sample.shape[1:]:
        return prediction
    if prediction[0].numel() == sample[0].numel():
        return prediction.reshape(prediction.shape[0], *sample.shape[1:])
    first = prediction[:, : sample.shape[1]]
    if first.shape[1:] != sample.shape[1:]:
        raise PipelineError(
            f"a denoiser must predict something of the samples' shape {tuple(sample.shape[1:])}, met"
            f" {tuple(prediction.shape[1:])}: this pipeline can't be recorded"
        )
    return first


def unpacked(latents: Tensor, packing: Packing | None) -> Tensor:
    """Latents of the scheduler's shape as (B, C, *S)."""
    return latents if packing is None else packing.unpack(latents)


def packed(latents: Tensor, packing: Packing | None) -> Tensor:
    """Latents of shape (B, C, *S) as the scheduler has them."""
    return latents if packing is None else packing.pack(latents)


def orientation(model_output: Tensor, own: Sequence[Tensor]) -> float:
    """1, or -1 where the pipeline hands the scheduler the negated prediction.

    What the scheduler gets is, up to a positive factor, a sum of the denoiser's predictions whose weights sum to 1
    (classifier-free guidance is one), or its negative: the sign of the weights' sum in the least-squares fit is it.

    Args:
        model_output: What the scheduler gets, shape (B, ...).
        own: The predictions that the pipeline made it from, of the same shape.

    Raises:
        PipelineError: They have nothing to do with each other.
    """
    columns = torch.stack([p[0].flatten() for p in own], dim=1).cpu().double()
    target = model_output[0].flatten().cpu().double()
    weights = torch.linalg.pinv(columns) @ target
    total = float(weights.sum())
    if abs(total) < 0.1:
        raise PipelineError(
            f"a pipeline must hand its scheduler what the denoiser predicted, met weights {weights.tolist()}:"
            " this pipeline can't be recorded"
        )
    return 1.0 if total > 0 else -1.0
