"""The space that guidance lives in: the sample's own channels and places, and the sign that the scheduler expects.

Pipelines pass the denoiser's prediction on in various forms: packed or not, with an extra dimension, with channels for
a learned variance, or negated. What is recorded is always of the sample's unpacked shape (B, C, *S), with the sign that
the scheduler gets.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sega_store import PipelineError
from sega_vectors.latents.packing import Packing
from sega_vectors.maths.guidance import add_guidance, semantic_direction


@dataclass(frozen=True)
class GuidanceSpace:
    """How a run's predictions are converted to guidance and back; learnt once, before the first step is guided.

    Attributes:
        packing: How the pipeline packs its samples, on their device; None if it hands them on as they are.
        sign: 1, or -1 where the pipeline hands its scheduler the negated prediction.
    """

    packing: Packing | None = None
    sign: float = 1.0

    @classmethod
    def of_recording(
        cls, packing: Packing | None, own: Sequence[Tensor], model_output: Tensor, sample: Tensor
    ) -> "GuidanceSpace":
        """The space of a run that is recorded, from what its first step shows.

        Args:
            packing: How the pipeline packs its samples.
            own: The denoiser's predictions from which the pipeline made its own, each of B rows.
            model_output: What the scheduler gets, shape (B, ...).
            sample: The sample that the scheduler gets, shape (B, ...).

        Raises:
            PipelineError: They have nothing to do with each other.
        """
        sign = orientation(model_output[:, : sample.shape[1]], [as_sample(prediction, sample) for prediction in own])
        return cls(packing and packing.to(sample.device), sign)

    def shape(self, sample: Tensor) -> tuple[int, ...]:
        """(C, *S) of the samples of shape (B, ...)."""
        return tuple(sample.shape[1:]) if self.packing is None else self.packing.shape

    def direction(self, concept: Tensor, base: Tensor, sample: Tensor) -> Tensor:
        """ψ of a concept, shape (B, C, *S), with the scheduler's sign.

        Args:
            concept: The denoiser's prediction with the concept as its text, of B rows.
            base: The denoiser's prediction without a text.
            sample: The sample that the scheduler gets, shape (B, ...).
        """
        concept, base = (unpacked(as_sample(prediction, sample), self.packing) for prediction in (concept, base))
        psi = semantic_direction(concept, base)
        return -psi if self.sign < 0 else psi

    def guided(self, model_output: Tensor, guidance: Tensor | None) -> Tensor:
        """The model output with the guidance added, for the scheduler.

        Args:
            model_output: What the pipeline hands the scheduler, shape (B, ...).
            guidance: γ_t, shape (B or 1, C, *S); None for none.
        """
        return model_output if guidance is None else add_guidance(model_output, packed(guidance, self.packing))


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
