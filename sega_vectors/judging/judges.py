"""Judges of pictures, by name: the embedded model's classifier, or a CLIP for pictures of any model."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sega_store import InvalidInputError

CLIP = "clip:"
SHOWN = 0.5  # the probability above which a picture shows a concept


class PictureJudge(Protocol):
    """Tells how likely concepts are in pictures."""

    @property
    def concepts(self) -> tuple[str, ...]:
        """The texts that it can tell."""

    def __call__(self, images: Sequence[Image.Image]) -> dict[str, NDArray[np.float32]]:
        """For each concept its probability in each picture, shape (B,), 0 to 1."""


def load_judge(name: str, concepts: Sequence[str], device: str = "auto", dtype: str = "auto") -> PictureJudge:
    """Load a judge that can tell some concepts.

    Args:
        name: `embedded` for the judge of the embedded model's pictures; `clip:MODEL` for a CLIP model, by its Hub
            id or folder.
        concepts: The concepts that it must be able to tell.
        device: Where a CLIP runs; the embedded judge is small and stays on the CPU.
        dtype: The dtype of a CLIP.

    Raises:
        InvalidInputError: There is no such judge, or it can't tell one of the concepts.
        PipelineError: The CLIP can't be loaded.
    """
    if name.startswith(CLIP):
        from sega_vectors.judging.clip_judge import ClipJudge

        return ClipJudge.load(name.removeprefix(CLIP), concepts, device, dtype)
    if name != "embedded":
        raise InvalidInputError(f"a judge is 'embedded', or {CLIP}MODEL with a Hub id or a folder; met {name!r}")
    from sega_vectors.judging.embedded_judge import Judge

    judge = Judge.load()
    if unknown := [text for text in concepts if text not in judge.concepts]:
        raise InvalidInputError(
            f"the embedded judge can tell {', '.join(judge.concepts)}; met {', '.join(map(repr, unknown))}: take"
            f" {CLIP}MODEL for others, such as {CLIP}openai/clip-vit-large-patch14"
        )
    return judge
