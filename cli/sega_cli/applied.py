"""Runs with vectors added, whose pictures are written with their provenance."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sega_cli.generation import first_picture
from sega_cli.picture import picture_facts, vector_facts, write_picture
from sega_vectors import Applier, Compatibility, DenoiserRows
from sega_vectors.provenance import model_facts, scheduler_facts

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

    from sega_store import GuidanceVector, InitialNoise

_PARAMETERS = (
    "edit_guidance_scale", "edit_threshold", "edit_warmup_steps", "edit_cooldown_steps", "reverse_editing_direction",
    "edit_weight", "edit_momentum_scale", "edit_mom_beta",
)  # fmt: skip


def make_applier(
    pipe: "DiffusionPipeline",
    vectors: "Sequence[GuidanceVector]",
    edits: Sequence[Mapping[str, Any]],
    noise: "InitialNoise",
    allow: Collection[str] = (),
) -> Applier:
    """The applier of vectors with the edit parameters given for each; what is not given is as recorded."""
    columns = {name: [edit.get(name) for edit in edits] for name in _PARAMETERS}
    columns["edit_weights"] = columns.pop("edit_weight")
    return Applier(pipe, vectors, noise=noise, allow=allow, **columns)


def apply_to(
    pipe: "DiffusionPipeline",
    vectors: "Sequence[GuidanceVector]",
    edits: Sequence[Mapping[str, Any]],
    noise: "InitialNoise",
    allow: Collection[str],
    prompt: str,
    arguments: Mapping[str, Any],
    folder: Path,
) -> tuple[dict[str, Any], Sequence[Compatibility]]:
    """Run one prompt with vectors added, and write the picture.

    Args:
        pipe: The pipeline.
        vectors: What to add; none is a plain run.
        edits: Their edit parameters that are not as recorded.
        noise: What to start from.
        allow: The refusals to override.
        prompt: The prompt.
        arguments: Further arguments of the pipeline's call.
        folder: Where the picture goes.

    Returns:
        What was made, as JSON, and for each vector how its recording relates to this run.
    """
    applier = make_applier(pipe, vectors, edits, noise, allow)
    with DenoiserRows(pipe) as price:
        image = first_picture(pipe, applier(prompt, **arguments))
    acting = [vector_facts(vector, edit) for vector, edit in zip(vectors, edits, strict=True)]
    run = {"prompt": prompt, **arguments}
    facts = picture_facts("apply", model_facts(pipe), scheduler_facts(pipe), noise.facts, run, acting)
    path = write_picture(folder, image, facts)
    made = {"path": str(path), "prompt": prompt, "guided": bool(vectors), "denoiser_rows": price.rows}
    return made, applier.compatibility
