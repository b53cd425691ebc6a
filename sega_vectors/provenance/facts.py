"""The facts of a run, read off a pipeline and a call: what a guidance vector remembers of where it came from."""

import importlib.metadata
import math
import platform
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from diffusers import DiffusionPipeline
from diffusers.utils.torch_utils import unwrap_module
from torch import Tensor

from sega_store import (
    Concept,
    InitialNoise,
    ModelFacts,
    Provenance,
    RunFacts,
    SchedulerFacts,
)
from sega_store.records.provenance import CONCEPT_EMBEDS
from sega_vectors.latents.tensors import dtype_name
from sega_vectors.pipeline.call import PipelineCall, described
from sega_vectors.pipeline.denoiser import execution_device, find_denoiser
from sega_vectors.pipeline.noise_levels import prediction_type
from sega_vectors.provenance.fingerprint import fingerprint

_PACKAGES = ("sega-vectors", "diffusers", "torch", "transformers")


def model_facts(pipe: DiffusionPipeline) -> ModelFacts:
    """Which weights predict the noise, and where."""
    denoiser = unwrap_module(find_denoiser(pipe))  # torch.compile wraps it, and changes the names of its parameters
    return ModelFacts(
        id=str(pipe.config.get("_name_or_path") or type(pipe).__name__),
        revision=pipe.config.get("_commit_hash"),
        fingerprint=fingerprint(denoiser),
        pipeline=type(pipe).__name__,
        denoiser=type(denoiser).__name__,
        dtype=dtype_name(next(denoiser.parameters()).dtype),
        device=execution_device(denoiser).type,
    )


def scheduler_facts(pipe: DiffusionPipeline) -> SchedulerFacts:
    """Which sampler, with its whole configuration."""
    scheduler = pipe.scheduler
    config = {k: v for k, v in scheduler.config.items() if not k.startswith("_")}
    return SchedulerFacts(
        name=type(scheduler).__name__,
        config=_plain(config),
        prediction_type=prediction_type(scheduler),
    )


def describe_run(
    call: PipelineCall,
    noises: Sequence[InitialNoise],
    concepts: Sequence[Concept],
    edit_momentum_scale: float,
    edit_mom_beta: float,
    guide: bool,
    embeddings: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> list[list[Provenance]]:
    """Everything that the vectors of a call remember of it: for each sample, one provenance a concept."""
    model, scheduler = model_facts(call.pipe), scheduler_facts(call.pipe)

    def describe(sample: int, noise: InitialNoise, concept: Concept) -> Provenance:
        return Provenance(
            model=model,
            scheduler=scheduler,
            noise=noise.facts,
            run=RunFacts(
                prompt=call.prompt_text(sample),
                negative_prompt=call.text("negative_prompt", sample),
                guidance_scale=call.guidance_scale,
                num_inference_steps=call.num_inference_steps,
                edit_momentum_scale=float(edit_momentum_scale),
                edit_mom_beta=float(edit_mom_beta),
                guide=guide,
                companions=tuple(c for c in concepts if c is not concept) if guide else (),
                arguments={**call.others, **_concept_embeds((embeddings or {}).get(concept.text))},
            ),
            versions=_versions(),
        )

    return [[describe(sample, noise, concept) for concept in concepts] for sample, noise in enumerate(noises)]


def _concept_embeds(embeddings: Mapping[str, Tensor] | None) -> dict[str, Any]:
    return {} if embeddings is None else {CONCEPT_EMBEDS: described(embeddings)}


@cache
def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{p: importlib.metadata.version(p) for p in _PACKAGES}}


def _plain(value: Any) -> Any:
    """A configuration value as JSON has it."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no infinity; DPM-Solver's `lambda_min_clipped` is one
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
