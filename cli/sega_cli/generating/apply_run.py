"""Runs with vectors added, and the provenance of their pictures."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sega_cli.generating.picture import picture_facts, vector_facts
from sega_cli.generating.setup import first_picture
from sega_store.records.edit_parameters import EDIT_PARAMETERS
from sega_vectors import Applier, Compatibility, DenoiserRows
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
    """

    image: "Image"
    facts: Mapping[str, Any]
    denoiser_rows: int
    compatibility: Sequence[Compatibility]


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
        allow: The refusals to override.
        arguments: Further arguments of the pipeline's call.
    """
    columns = {name: [edit.get(name) for edit in edits] for name in _PARAMETERS}
    columns["edit_weights"] = columns.pop("edit_weight")
    applier = Applier(pipe, vectors, noise=noise, allow=allow, **columns)
    with DenoiserRows(pipe) as price:
        image = first_picture(pipe, applier(prompt, **arguments))
    acting = [vector_facts(vector, edit) for vector, edit in zip(vectors, edits, strict=True)]
    run = {"prompt": prompt, **arguments}
    facts = picture_facts("apply", model_facts(pipe), scheduler_facts(pipe), noise.facts, run, acting)
    return Applied(image, facts, price.rows, applier.compatibility)
