"""Recording: one run of a stock pipeline, and the guidance vectors of its concepts.

The concepts' noise predictions come with the pipeline's own denoiser calls, so a run with k concepts costs
(2 + k) / 2 of a plain one with classifier-free guidance. The guidance is added to what the pipeline hands to its
scheduler.
"""

import functools
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from sega_store import Concept, GuidanceVector, InitialNoise, InvalidInputError, PipelineError, Provenance, recipe
from sega_vectors.latents.packing import Packing
from sega_vectors.latents.space import GuidanceSpace
from sega_vectors.latents.tensors import as_doubles
from sega_vectors.maths.accumulator import Accumulator, Momentum, sum_step
from sega_vectors.maths.guidance import keep_above, step_weights, tail_thresholds
from sega_vectors.pipeline.call import PipelineCall
from sega_vectors.pipeline.denoiser import DenoiserCall, find_denoisers
from sega_vectors.pipeline.noise_levels import noise_levels
from sega_vectors.pipeline.prompts import check_prompt
from sega_vectors.pipeline.scheduler_hooks import Guide, guided_steps
from sega_vectors.pipeline.text_cache import encoded_once
from sega_vectors.pipeline.watch import Watched, watch, watch_denoiser
from sega_vectors.provenance.facts import describe_run
from sega_vectors.recording.conditioning import Conditioning, differing_leaves
from sega_vectors.recording.predictions import Predictions
from sega_vectors.recording.sparse_buffer import SparseBuffer


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
            guide: Whether the concepts guide the run that they are observed on; otherwise the run is the plain one.
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
        denoisers = find_denoisers(self.pipe)
        if any(getattr(denoiser, "is_cache_enabled", False) for denoiser in denoisers):
            raise PipelineError(
                "a recorded run must make all its denoiser calls, met a denoiser with a cache: call its disable_cache()"
            )
        with ExitStack() as attached:
            forget = attached.enter_context(encoded_once(self.pipe))
            watched = self._watch(call)
            noises, provenances = self._describe(call, watched.first)
            predictions = Predictions(functools.partial(_learn, watched, forget, call.num_samples))
            run = _RecordedRun(self, predictions, watched.first.packing)
            del watched  # its tensors go once the conditioning is learnt
            attached.enter_context(predictions.attached(denoisers))
            attached.enter_context(guided_steps(self.pipe.scheduler, run.begin))
            result = call()
        self.vectors = run.vectors(self.pipe.scheduler, provenances)
        self.noises = [noise for noise in noises for _ in self.concepts]
        return result

    def recipes(self, *args: Any, **kwargs: Any) -> list[str]:
        """The recipe of each vector that a call would record, in the order of `vectors`, before it runs."""
        call = PipelineCall.bind(self.pipe, args, kwargs)
        _, provenances = self._describe(call, watch(call.with_prompt(self.concepts[0].text)))
        return [recipe(c, p) for sample in provenances for c, p in zip(self.concepts, sample, strict=True)]

    def _watch(self, call: PipelineCall) -> "_WatchedTexts":
        """Watch the call with each concept as its prompt, and with what else is needed to learn from."""
        texts = [concept.text for concept in self.concepts]
        first = watch(call.with_prompt(texts[0]))
        others = [watch_denoiser(call.with_prompt(text)) for text in texts[1:]]
        guided = first.call.rows > call.num_samples
        told_apart = all(len({call.text("prompt", sample), *texts}) > 1 for sample in range(call.num_samples))
        empty = None if guided and told_apart else watch_denoiser(call.with_prompt(""))
        changing: set[int] = set()
        if any(name.startswith("controlnet") for name in self.pipe.components):  # its outputs know text and noise
            elsewhere = watch_denoiser(call.with_prompt(texts[0]).with_other_noise())
            changing = differing_leaves(first.call, elsewhere)
        return _WatchedTexts(first, others, empty, changing)

    def _describe(self, call: PipelineCall, watched: Watched) -> tuple[list[InitialNoise], list[list[Provenance]]]:
        """The initial noise of each sample, and the provenance of each sample's vectors."""
        momentum = self.edit_momentum_scale, self.edit_mom_beta
        return watched.noises, describe_run(call, watched.noises, self.concepts, *momentum, self.guide)


@dataclass(frozen=True)
class _WatchedTexts:
    """What was seen of a call with other prompts than its own.

    Attributes:
        first: With the first concept.
        others: With each of the others.
        empty: With the empty prompt, where that is needed.
        changing: Places of leaves that also depend on the noise.
    """

    first: Watched
    others: list[DenoiserCall]
    empty: DenoiserCall | None
    changing: set[int]

    def conditioning(self, own: DenoiserCall, num_samples: int) -> Conditioning:
        return Conditioning.learn(own, [self.first.call, *self.others], self.empty, num_samples, self.changing)


def _learn(watched: _WatchedTexts, forget: Callable[[], None], num_samples: int, own: DenoiserCall) -> Conditioning:
    """What the run's own first denoiser call teaches; its texts are encoded by then."""
    forget()
    return watched.conditioning(own, num_samples)


class _RecordedRun:
    """What is attached to the pipeline for one recorded call."""

    def __init__(self, recorder: Recorder, predictions: Predictions, packing: Packing | None) -> None:
        concepts = recorder.concepts
        self._concepts, self._guides = concepts, recorder.guide
        self._predictions = predictions
        self._packing = packing
        self._timesteps: list[Any] = []
        self._buffer = SparseBuffer()
        self._momenta = [Momentum(recorder.edit_momentum_scale, recorder.edit_mom_beta)] * len(concepts)
        self._accumulator = Accumulator()

    def begin(self, model_output: Tensor, _timestep: Any, sample: Tensor) -> Guide:
        """Learn the space of the guidance, before the first step."""
        space = GuidanceSpace.of_recording(self._packing, self._predictions.own, model_output, sample)
        return functools.partial(self._guide, space)

    def _guide(self, space: GuidanceSpace, model_output: Tensor, timestep: Any, sample: Tensor) -> Tensor:
        asked = self._predictions.of_step()
        psi = torch.stack([space.direction(concept, asked.base, sample) for concept in asked.concepts], dim=1)
        loose, strict = self._tails(psi)
        self._buffer.append(loose)
        step = len(self._timesteps)
        self._timesteps.append(timestep)
        if not self._guides:
            return model_output
        sums = sum_step(strict.unbind(1), step_weights(self._concepts, step), self._momenta, step)
        return space.guided(model_output, self._accumulator.guidance(sums))

    def _tails(self, psi: Tensor) -> tuple[Tensor, Tensor]:
        """What each concept keeps of ψ (B, k, C, *S), by its `keep_threshold` and by its `edit_threshold`."""
        rows = psi.flatten(0, 1)
        loose = [concept.keep_threshold for concept in self._concepts]
        strict = [concept.edit_threshold for concept in self._concepts]
        every = list({*loose, *strict})
        edges = dict(zip(every, (edge.reshape(psi.shape[:3]) for edge in tail_thresholds(rows, every)), strict=True))

        def kept(edit_thresholds: Sequence[float]) -> Tensor:
            edge = torch.stack([edges[λ][:, i] for i, λ in enumerate(edit_thresholds)], dim=1)
            return keep_above(rows, edge.flatten(0, 1)).reshape(psi.shape)

        return kept(loose), kept(strict)

    def vectors(self, scheduler: Any, provenances: list[list[Provenance]]) -> list[GuidanceVector]:
        """The vectors of the finished run, sample by sample."""
        timesteps = as_doubles(torch.stack([torch.as_tensor(t).flatten()[0] for t in self._timesteps]))
        sigmas = noise_levels(scheduler, timesteps)
        return [
            GuidanceVector(
                concept, *self._buffer.vector(sample, index), self._buffer.dtype, timesteps, sigmas, provenance
            )
            for sample, described in enumerate(provenances)
            for index, (concept, provenance) in enumerate(zip(self._concepts, described, strict=True))
        ]
