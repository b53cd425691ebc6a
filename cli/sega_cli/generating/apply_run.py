"""Runs with vectors added, and the provenance of their pictures."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sega_cli.generating.batches import repeated
from sega_cli.generating.picture import picture_facts, vector_facts
from sega_cli.generating.setup import generator, pictures_of, unwarned
from sega_store import InvalidInputError
from sega_store.records.edit_parameters import EDIT_PARAMETERS
from sega_vectors import Applier, Compatibility, DenoiserRows
from sega_vectors.pipeline.call import described
from sega_vectors.provenance.facts import model_facts, scheduler_facts

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline
    from PIL.Image import Image

    from sega_store import GuidanceVector, InitialNoise, ModelFacts, SchedulerFacts

_PARAMETERS = [parameter.name for parameter in EDIT_PARAMETERS if parameter.applying]


@dataclass(frozen=True)
class Applied:
    """A run with vectors added.

    Attributes:
        facts: The picture's provenance, as JSON.
        denoiser_rows: The price of the run: how many rows the denoiser computed.
        compatibility: For each vector, how its recording relates to this run.
        notes: What a user should know of the run.
    """

    image: "Image"
    facts: Mapping[str, Any]
    denoiser_rows: int
    compatibility: Sequence[Compatibility]
    notes: Sequence[str] = ()


class ApplyRun:
    """Vectors with their edit parameters, ready for any prompts from one noise: they are prepared once."""

    def __init__(
        self,
        pipe: "DiffusionPipeline",
        vectors: "Sequence[GuidanceVector]",
        edits: Sequence[Mapping[str, Any]],
        noise: "InitialNoise",
        arguments: Mapping[str, Any],
        allow: Collection[str] = (),
    ) -> None:
        """Prepare.

        Args:
            vectors: The vectors to add; without any, the runs are plain.
            edits: For each vector, the edit parameters that differ from its recording.
            noise: The initial noise to start from. A run that starts from an image draws it anew, by its seed.
            arguments: Further arguments of the pipeline's call.
            allow: The refusals to override.

        Raises:
            InvalidInputError: The runs start from an image, and the noise has no seed.
        """
        self._pipe, self._vectors, self._edits, self._noise = pipe, vectors, edits, noise
        self._arguments = arguments
        columns = {name: [edit.get(name) for edit in edits] for name in _PARAMETERS}
        columns["edit_weights"] = columns.pop("edit_weight")
        self._drawn = _drawn_anew(noise) if "image" in arguments else None
        self._applier = Applier(pipe, vectors, noise=noise if self._drawn is None else None, allow=allow, **columns)

    def facts(self, prompt: str) -> dict[str, Any]:
        """The provenance of the picture of a prompt, known before its run."""
        acting = [vector_facts(vector, edit) for vector, edit in zip(self._vectors, self._edits, strict=True)]
        run = {"prompt": prompt, **{name: described(value) for name, value in self._arguments.items()}}
        return picture_facts("apply", *self._pipe_facts, self._noise.facts, run, acting)

    @cached_property
    def _pipe_facts(self) -> "tuple[ModelFacts, SchedulerFacts]":
        """They are the same for all pictures, and take a fingerprint of the weights."""
        return model_facts(self._pipe), scheduler_facts(self._pipe)

    def __call__(self, prompts: Sequence[str]) -> list[Applied]:
        """Run some prompts in one call of the pipeline.

        Raises:
            IncompatibleError: A vector doesn't belong to the run.
            PipelineError: The run failed, or the pipeline makes no pictures.
        """
        arguments = repeated(self._arguments, prompts)
        if self._drawn is not None:
            made = [generator(self._drawn) for _ in prompts]
            arguments["generator"] = made if len(made) > 1 else made[0]
        with DenoiserRows(self._pipe) as price, unwarned():
            applied = self._applier.apply(**arguments)
        images = pictures_of(self._pipe, applied.output)
        return [
            Applied(image, self.facts(prompt), price.rows // len(prompts), applied.compatibility, notes)
            for image, prompt, notes in zip(images, prompts, applied.sample_notes, strict=True)
        ]


def _drawn_anew(noise: "InitialNoise") -> int:
    """The seed that draws a noise again."""
    if noise.seed is None:
        raise InvalidInputError(
            f"a run that starts from an image draws its noise by a seed, {noise.sha256[:12]} has none: record the"
            " concept with a seed"
        )
    return noise.seed
