"""A judge for any model's pictures: a CLIP asked whether each concept is there, without being trained on any.

For each template a picture is compared with a text that says that the concept is there and one that says that it isn't,

    p = softmax(s · cos(picture, with), s · cos(picture, without)),  s CLIP's own logit scale

and p is averaged over the templates.

It is a weak judge. CLIP matches words rather than what is said of them, and a negation moves it little, so p isn't a
calibrated probability: a prompt's own words can lift it, small things are missed, and 0.5 is no natural threshold.
Rates by it mean something only beside those of the plain runs on the same prompts and noises, and for concepts that a
person sees at once in a few of the pictures.

References:
    Learning Transferable Visual Models From Natural Language Supervision, Radford et al. 2021, arXiv 2103.00020
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer  # the processor that needs no torchvision

from sega_store import InvalidInputError, PipelineError
from sega_store.errors import first_line
from sega_vectors.pipeline.loading import device_of
from sega_vectors.pipeline.model_folder import check_files
from sega_vectors.pipeline.precision import DTYPES

TEMPLATES = (
    ("a picture with {}", "a picture without {}"),
    ("an image that shows {}", "an image that does not show {}"),
    ("there is {} in this picture", "there is no {} in this picture"),
)
BATCH = 32  # pictures at once, which bounds the memory


class ClipJudge:
    """Tells with a CLIP which concepts pictures show.

    Attributes:
        concepts: The texts that it can tell.
    """

    def __init__(
        self, model: CLIPModel, tokenizer: CLIPTokenizer, processor: CLIPImageProcessorPil, concepts: Sequence[str]
    ) -> None:
        """Prepare to judge.

        Args:
            model: The CLIP, on its device.
            tokenizer: Its tokenizer.
            processor: What makes its `pixel_values` of pictures.
            concepts: What to tell, one or more.

        Raises:
            InvalidInputError: There are no concepts, or a text is longer than the model takes.
        """
        if not concepts:
            raise InvalidInputError("a judge must be asked for a concept at least, met none: name one")
        self.concepts = tuple(concepts)
        self._model, self._processor = model.eval(), processor
        texts = [side.format(concept) for concept in concepts for template in TEMPLATES for side in template]
        longest = model.config.text_config.max_position_embeddings
        tokens = tokenizer(texts, padding=True, return_tensors="pt")
        if tokens["input_ids"].shape[1] > longest:
            raise InvalidInputError(
                f"a concept must fit into the {longest} tokens that this CLIP takes, met one of more among"
                f" {', '.join(map(repr, concepts))[:200]}: say it in fewer words"
            )
        with torch.inference_mode():
            features = normalize(model.get_text_features(**tokens.to(model.device)).pooler_output, dim=-1)
        self._texts = features.reshape(len(self.concepts), len(TEMPLATES), 2, -1)

    @classmethod
    def load(cls, name_or_path: str, concepts: Sequence[str], device: str = "auto", dtype: str = "auto") -> "ClipJudge":
        """Load a CLIP from the Hub or a folder, safetensors only; `HF_HUB_OFFLINE` is honoured.

        Args:
            name_or_path: Such as `openai/clip-vit-large-patch14`.
            concepts: What to tell.
            device: A torch device, or `auto` for the best there is.
            dtype: `float32`, which `auto` stands for, `float16` or `bfloat16`.

        Raises:
            InvalidInputError: Unknown device or dtype, or as `ClipJudge` has it.
            PipelineError: It is no CLIP, can't be loaded, or lacks weights.
        """
        place, precision = device_of(device), "float32" if dtype == "auto" else dtype
        if precision not in DTYPES:
            raise InvalidInputError(f"dtype must be auto, {', '.join(DTYPES)}, met {dtype!r}")
        if (folder := Path(name_or_path)).is_dir():
            check_files(folder)
        try:
            model, loaded = CLIPModel.from_pretrained(
                name_or_path, dtype=DTYPES[precision], use_safetensors=True, output_loading_info=True
            )
            tokenizer = CLIPTokenizer.from_pretrained(name_or_path)
            processor = CLIPImageProcessorPil.from_pretrained(name_or_path)
            model = model.to(place)
        except (OSError, ValueError, RuntimeError, AssertionError) as error:
            message = first_line(error)
            raise PipelineError(
                f"a CLIP judge is a Hub id or a folder with a CLIPModel in safetensors, its tokenizer and its image"
                f" processor; {name_or_path!r} could not be loaded: {message}"
            ) from error
        if missing := sorted(loaded["missing_keys"]):
            raise PipelineError(
                f"a CLIP judge must have all weights of a CLIPModel, {name_or_path!r} lacks {len(missing)}, such as"
                f" {missing[0]}: take a CLIP with its text and its image encoder"
            )
        if len(tokenizer) != (words := model.config.text_config.vocab_size):  # transformers makes up a missing one
            raise PipelineError(
                f"a CLIP judge must have its own tokenizer, of the model's {words} tokens, {name_or_path!r} has one of"
                f" {len(tokenizer)}: put vocab.json and merges.txt, or tokenizer.json, beside the model"
            )
        return cls(model, tokenizer, processor, concepts)

    @torch.inference_mode()
    def __call__(self, images: Sequence[Image.Image]) -> dict[str, NDArray[np.float32]]:
        """Judges pictures.

        Args:
            images: Pictures of any mode and size.

        Returns:
            For each concept its probability in each picture, shape (B,), 0 to 1; see the module for how much it means.
        """
        parts = [self._judge(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
        probabilities = torch.cat(parts) if parts else torch.zeros(0, len(self.concepts))
        return dict(zip(self.concepts, probabilities.numpy().T, strict=True))

    def _judge(self, images: Sequence[Image.Image]) -> Tensor:
        """Probabilities of shape (B, concepts), on the host."""
        inputs: Any = self._processor(list(images), return_tensors="pt")
        pixels = inputs["pixel_values"].to(self._model.device, self._model.dtype)
        pictures = normalize(self._model.get_image_features(pixel_values=pixels).pooler_output, dim=-1)
        logits = self._model.logit_scale.exp() * torch.einsum("bd,ctsd->bcts", pictures, self._texts)
        probabilities: Tensor = logits.float().softmax(-1)[..., 0].mean(-1).cpu()
        return probabilities
