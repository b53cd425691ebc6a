"""Runs with vectors added, and the provenance of their pictures."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sega_cli.generating.picture import picture_facts, vector_facts
from sega_cli.generating.setup import first_picture, generator, unwarned
from sega_store import InvalidInputError
from sega_store.records.edit_parameters import EDIT_PARAMETERS
from sega_vectors import Applier, Compatibility, DenoiserRows
from sega_vectors.pipeline.call import described
from sega_vectors.provenance.facts import model_facts, scheduler_facts

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline
    from PIL.Image import Image

    from sega_store import GuidanceVector, InitialNoise

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


def apply_to(
    pipe: "DiffusionPipeline",
    vectors: "Sequence[GuidanceVector]",
    edits: Sequence[Mapping[str, Any]],
    noise: "InitialNoise",
    allow: Collection[str],
    prompt: str,
    arguments: Mapping[str, Any],
) -> Applied:
    """Run one prompt with vectors added.

    Args:
        vectors: The vectors to add; without any, the run is plain.
        edits: For each vector, the edit parameters that differ from its recording.
        noise: The initial noise to start from. A run that starts from an image draws it anew, by its seed.
        allow: The refusals to override.
        arguments: Further arguments of the pipeline's call.

    Raises:
        InvalidInputError: The run starts from an image, and the noise has no seed.
    """
    facts = applied_facts(pipe, vectors, edits, noise, prompt, arguments)
    columns = {name: [edit.get(name) for edit in edits] for name in _PARAMETERS}
    columns["edit_weights"] = columns.pop("edit_weight")
    drawn = _drawn_anew(noise) if "image" in arguments else {}
    applier = Applier(pipe, vectors, noise=None if drawn else noise, allow=allow, **columns)
    with DenoiserRows(pipe) as price, unwarned():
        image = first_picture(pipe, applier(prompt=prompt, **drawn, **arguments))
    return Applied(image, facts, price.rows, applier.compatibility, applier.notes)


def applied_facts(
    pipe: "DiffusionPipeline",
    vectors: "Sequence[GuidanceVector]",
    edits: Sequence[Mapping[str, Any]],
    noise: "InitialNoise",
    prompt: str,
    arguments: Mapping[str, Any],
) -> dict[str, Any]:
    """The provenance of the picture that `apply_to` makes of the same arguments, known before the run."""
    acting = [vector_facts(vector, edit) for vector, edit in zip(vectors, edits, strict=True)]
    run = {"prompt": prompt, **{name: described(value) for name, value in arguments.items()}}
    return picture_facts("apply", model_facts(pipe), scheduler_facts(pipe), noise.facts, run, acting)


def _drawn_anew(noise: "InitialNoise") -> dict[str, Any]:
    """The argument that draws a noise again."""
    if noise.seed is None:
        raise InvalidInputError(
            f"a run that starts from an image draws its noise by a seed, {noise.sha256[:12]} has none: record the"
            " concept with a seed"
        )
    return {"generator": generator(noise.seed)}
