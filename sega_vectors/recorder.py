"""Recording: one run of a stock pipeline, and the guidance vectors of its concepts.

The concepts' noise predictions come from rows appended to the pipeline's own denoiser calls, so a run with k concepts
costs (2 + k) / 2 of a plain one with classifier-free guidance. The guidance is added to what the pipeline hands to its
scheduler.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from sega_store import Concept, GuidanceVector, InitialNoise, InvalidInputError, PipelineError, Provenance, recipe
from sega_vectors.call import PipelineCall
from sega_vectors.conditioning import Conditioning
from sega_vectors.denoiser import find_denoiser, hooked
from sega_vectors.encoding import encoded_once
from sega_vectors.guidance import (
    add_guidance,
    add_momentum,
    keep_above,
    semantic_direction,
    step_weights,
    tail_thresholds,
    weighted_sum,
)
from sega_vectors.kept import KeptEntries
from sega_vectors.provenance import as_numpy, describe_run, dtype_name, initial_noises
from sega_vectors.schedule import as_array, noise_levels
from sega_vectors.steps import guided_steps
from sega_vectors.text import check_prompt
from sega_vectors.watch import Watched, watch


class Recorder:
    """Calls a pipeline and records a guidance vector for each sample and concept.

    Attributes:
        vectors: What the last call recorded: for each sample in turn, one vector a concept.
        noises: The initial noise of each vector, beside it.

    Raises:
        InvalidInputError: No concept, a concept that the text encoder would cut, or parameters out of range.
        PipelineError: The pipeline can't be recorded.
    """

    def __init__(
        self,
        pipe: DiffusionPipeline,
        concepts: Sequence[Concept],
        *,
        edit_momentum_scale: float = 0.1,
        edit_mom_beta: float = 0.4,
        guide: bool = True,
    ) -> None:
        """Prepare to record.

        Args:
            pipe: Any text-conditioned diffusers pipeline; it is left as it was after each call.
            concepts: What to record, all in the same runs.
            edit_momentum_scale: s_m of equation (13).
            edit_mom_beta: β_m of equation (14), in [0, 1).
            guide: Whether the concepts guide the run that they are observed on; else it is the plain run.
        """
        if not concepts:
            raise InvalidInputError("a recording needs at least one concept, met none: pass [Concept('glasses')]")
        if not 0 <= edit_mom_beta < 1:
            raise InvalidInputError(f"edit_mom_beta must be in [0, 1), met {edit_mom_beta}: the default is 0.4")
        for concept in concepts:
            check_prompt(pipe, concept.text)
        self.pipe = pipe
        self.concepts = tuple(concepts)
        self.edit_momentum_scale = edit_momentum_scale
        self.edit_mom_beta = edit_mom_beta
        self.guide = guide
        self.vectors: list[GuidanceVector] = []
        self.noises: list[InitialNoise] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `pipe(*args, **kwargs)` and record; returns what the pipeline returns."""
        call = PipelineCall.bind(self.pipe, args, kwargs)
        with ExitStack() as attached:
            attached.enter_context(encoded_once(self.pipe))
            empty = watch(call.with_prompt(""))
            concepts = [watch(call.with_prompt(concept.text)) for concept in self.concepts]
            noises, provenances = self._describe(call, empty)
            run = _RecordedRun(self, Conditioning.learn(empty, concepts, call.num_samples))
            attached.enter_context(hooked(find_denoiser(self.pipe), run.before, run.after))
            attached.enter_context(guided_steps(self.pipe.scheduler, run.guide))
            result = call()
        self.vectors = run.vectors(self.pipe.scheduler, provenances)
        self.noises = [noise for noise in noises for _ in self.concepts]
        return result

    def recipes(self, *args: Any, **kwargs: Any) -> list[str]:
        """The recipe of each vector that a call would record, in the order of `vectors`, before it runs."""
        call = PipelineCall.bind(self.pipe, args, kwargs)
        _, provenances = self._describe(call, watch(call.with_prompt("")))
        return [recipe(c, p) for sample in provenances for c, p in zip(self.concepts, sample, strict=True)]

    def _describe(self, call: PipelineCall, watched: Watched) -> tuple[list[InitialNoise], list[list[Provenance]]]:
        """The initial noise of each sample, and the provenance of each sample's vectors."""
        noises = initial_noises(call, watched.noise)
        momentum = self.edit_momentum_scale, self.edit_mom_beta
        return noises, describe_run(call, noises, self.concepts, *momentum, self.guide)


class _RecordedRun:
    """What is attached to the pipeline for one recorded call."""

    def __init__(self, recorder: Recorder, conditioning: Conditioning) -> None:
        self.recorder = recorder
        self.conditioning = conditioning
        self.timesteps: list[Any] = []
        self.kept = KeptEntries()
        self._predictions: tuple[Tensor, list[Tensor]] | None = None
        self._momentum: Tensor | None = None

    def before(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return self.conditioning.append(args, kwargs)

    def after(self, output: Any) -> Any:
        stock, base, edits = self.conditioning.take(output)
        self._predictions = base, edits
        return stock

    def guide(self, model_output: Tensor, timestep: Any, sample: Tensor) -> Tensor:
        if self._predictions is None:
            raise PipelineError("each scheduler step must follow a denoiser call, met one without: cannot record it")
        recorder, channels = self.recorder, sample.shape[1]
        base, edits = self._predictions
        self._predictions = None
        loose, strict = [], []
        for concept, edit in zip(recorder.concepts, edits, strict=True):
            psi = semantic_direction(edit[:, :channels], base[:, :channels])
            keep, edge = tail_thresholds(psi, [concept.keep_threshold, concept.edit_threshold])
            loose.append(keep_above(psi, keep))
            strict.append(keep_above(psi, edge))
        self.kept.append(torch.stack(loose, dim=1))
        step = len(self.timesteps)
        self.timesteps.append(timestep)
        if not recorder.guide:
            return model_output
        weights = step_weights(recorder.concepts, step)
        joint = weighted_sum(strict, weights.joint)
        momentum = torch.zeros_like(joint) if self._momentum is None else self._momentum
        guidance, self._momentum = add_momentum(joint, momentum, recorder.edit_momentum_scale, recorder.edit_mom_beta)
        if weights.early is not None:
            guidance = weighted_sum(strict, weights.early)
        return add_guidance(model_output, guidance) if weights.guides else model_output

    def vectors(self, scheduler: Any, provenances: list[list[Provenance]]) -> list[GuidanceVector]:
        """The vectors of the finished run, sample by sample."""
        timesteps = as_array(torch.stack([torch.as_tensor(t).flatten()[0] for t in self.timesteps]))
        sigmas = noise_levels(scheduler, timesteps)
        kept = self.kept.on_host()
        dense = as_numpy(kept)
        return [
            GuidanceVector.from_dense(
                concept,
                dense[:, sample, index],
                dtype=dtype_name(kept.dtype),
                timesteps=timesteps,
                sigmas=sigmas,
                provenance=provenance,
            )
            for sample, described in enumerate(provenances)
            for index, (concept, provenance) in enumerate(zip(self.recorder.concepts, described, strict=True))
        ]
