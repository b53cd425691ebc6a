"""The judge: a small classifier that tells what is in the embedded model's pictures.

It makes transfer measurable: whether a picture shows `glasses`, say, is decided by a network that was trained on
renders and their reconstructions, never on generated pictures. An object counts as present only where it belongs:
glasses beside the face are not worn. How it is trained and how often it is right on figures that it never saw is in
the model card, `embedded/README.md`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

FOLDER = Path(__file__).parents[1] / "embedded" / "judge"


def read_attributes(folder: Path = FOLDER) -> Mapping[str, tuple[str, ...]]:
    """What the embedded model knows: for each attribute, the texts of its values.

    Args:
        folder: A folder with the judge's `config.json`.

    Returns:
        `medium`, `background`, `hair colour` and `hair length`, whose values exclude each other, and `worn`, whose
        values (glasses, beard, hat, smile) may occur together. Every text works as a prompt and as a concept.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return MappingProxyType({name: tuple(values) for name, values in config["attributes"].items()})


class JudgeNetwork(nn.Module):
    """Strided convolutions, pooled by mean and maximum: pictures (B, 3, 64, 64) of -1..1 to logits (B, `outputs`)."""

    def __init__(self, outputs: int, channels: Sequence[int] = (32, 64, 96, 128, 128)) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, channels[0], 3, padding=1), nn.BatchNorm2d(channels[0]), nn.SiLU()]
        for narrow, wide in pairwise(channels):
            layers += [nn.Conv2d(narrow, wide, 3, stride=2, padding=1), nn.BatchNorm2d(wide), nn.SiLU()]
            layers += [nn.Conv2d(wide, wide, 3, padding=1), nn.BatchNorm2d(wide), nn.SiLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Linear(2 * channels[-1], 128), nn.SiLU(), nn.Linear(128, outputs))

    def forward(self, pictures: Tensor) -> Tensor:
        features = self.features(pictures)
        pooled = torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)
        logits: Tensor = self.head(pooled)
        return logits


class Judge:
    """Tells the embedded model's concepts in pictures.

    Attributes:
        attributes: For each attribute the texts of its values, as `read_attributes` gives them.

    Example:
        >>> judge = Judge.load()
        >>> judge.has("glasses", image)
        0.998
    """

    def __init__(self, network: JudgeNetwork, attributes: Mapping[str, tuple[str, ...]]) -> None:
        self._network = network.eval()
        self.attributes = attributes

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Judge:
        """The judge that is shipped in the package, or the one in `folder` (`config.json` and `model.safetensors`)."""
        attributes = read_attributes(folder)
        network = JudgeNetwork(sum(len(values) for values in attributes.values()))
        weights = load_file(folder / "model.safetensors")
        network.load_state_dict({name: w.float() if w.is_floating_point() else w for name, w in weights.items()})
        return cls(network, attributes)

    @property
    def concepts(self) -> tuple[str, ...]:
        """All the texts that the judge can tell."""
        return tuple(text for values in self.attributes.values() for text in values)

    @torch.inference_mode()
    def __call__(self, images: Sequence[Image.Image]) -> dict[str, NDArray[np.float32]]:
        """Judges pictures.

        Args:
            images: Pictures of any mode and size; they are brought to 64x64 RGB.

        Returns:
            For each concept its probability in each picture, shape (B,), 0 to 1. Within `medium`, `background`,
            `hair colour` and `hair length` they add up to one.
        """
        if not images:
            return {text: np.zeros(0, np.float32) for text in self.concepts}
        small = [image.convert("RGB").resize((64, 64), Image.Resampling.BOX) for image in images]
        pixels = np.stack([np.asarray(image, np.float32) for image in small])
        logits = self._network(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1)
        result: dict[str, NDArray[np.float32]] = {}
        parts = logits.split([len(values) for values in self.attributes.values()], 1)
        for (name, values), part in zip(self.attributes.items(), parts, strict=True):
            probability = part.sigmoid() if name == "worn" else part.softmax(1)
            result.update(zip(values, probability.numpy().T, strict=True))
        return result

    def has(self, concept: str, image: Image.Image) -> float:
        """The probability, 0 to 1, that a picture shows a concept.

        Raises:
            ValueError: The judge was not trained on the concept.
        """
        name = concept.strip().lower().removeprefix("a ").removeprefix("an ")
        if name not in self.concepts:
            raise ValueError(f"the judge cannot tell {concept!r}; it can tell: {', '.join(self.concepts)}")
        return float(self([image])[name][0])
