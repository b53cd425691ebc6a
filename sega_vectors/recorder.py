"""Recording: one run of a stock pipeline, and the guidance vectors of its concepts.

The concepts' noise predictions come with the pipeline's own denoiser calls, so a run with k concepts costs
(2 + k) / 2 of a plain one with classifier-free guidance. The guidance is added to what the pipeline hands to its
scheduler.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from sega_store import Concept, GuidanceVector, InitialNoise, InvalidInputError, PipelineError, Provenance, recipe
from sega_store.records import rules
from sega_store.records.edit_parameters import BY_NAME
from sega_vectors.latents.noise import stacked, starts
from sega_vectors.latents.space import GuidanceSpace
from sega_vectors.latents.tensors import as_doubles
from sega_vectors.maths.accumulator import Accumulator, Momentum, sum_step
from sega_vectors.maths.guidance import keep_above, step_weights, tail_thresholds
from sega_vectors.pipeline.call import PipelineCall, check_pipeline
from sega_vectors.pipeline.denoiser import DenoiserCall, find_denoisers
from sega_vectors.pipeline.noise_levels import noise_levels
from sega_vectors.pipeline.notes import cooldown_note, result_notes, text_notes
from sega_vectors.pipeline.prompts import check_concept
from sega_vectors.pipeline.run_check import RunCheck
from sega_vectors.pipeline.scheduler_hooks import Guide, guided_steps
from sega_vectors.pipeline.text_cache import encoded_once
from sega_vectors.pipeline.turns import one_at_a_time, tokenizing
from sega_vectors.pipeline.watch import Watched, freed, freed_after_error, watch, watch_denoiser
from sega_vectors.provenance.facts import describe_run
from sega_vectors.recording.conditioning import Conditioning, differing_leaves
from sega_vectors.recording.predictions import Predictions
from sega_vectors.recording.sparse_buffer import SparseBuffer


@dataclass(frozen=True)
class Recording:
    """What one call recorded.

    Attributes:
        output: What the pipeline returned.
        vectors: For each sample in turn, one vector a concept.
        noises: The initial noise of each vector, beside it.
        notes: What a user should know of the call: texts that were cut, parameters without effect, pictures that a
            safety checker blanked.
        sample_notes: Those of them that concern each sample.
    """

    output: Any
    vectors: list[GuidanceVector]
    noises: list[InitialNoise]
    notes: list[str]
    sample_notes: list[list[str]]


class Recorder:
    """Calls a pipeline and records a guidance vector for each sample and concept.

    Attributes:
        vectors: What the last call recorded: for each sample in turn, one vector a concept; empty if it failed.
        noises: The initial noise of each vector, beside it.
        notes: The notes of the last call; these three are as of `Recording`, which `record` returns.

    Raises:
        InvalidInputError: No concept, a concept that every text encoder would cut, or parameters out of range.
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
        embeddings: Mapping[str, Mapping[str, Tensor]] | None = None,
    ) -> None:
        """Prepare to record.

        Args:
            pipe: Any text-conditioned diffusers pipeline; it is left as it was after each call.
            concepts: What to record, all in the same runs.
            edit_momentum_scale: s_m of equation (13).
            edit_mom_beta: β_m of equation (14), in [0, 1).
            guide: Whether the concepts guide the run that they are observed on; otherwise the run is the plain one.
            embeddings: By a concept's text, what a text encoder would make of it, by argument of the pipeline
                (`prompt_embeds`, `pooled_prompt_embeds`), each of one row: for pipelines without text encoders. A run
                without classifier-free guidance needs those of the empty text too.
        """
        check_pipeline(pipe)
        self.concepts = rules.instances("concepts", concepts, Concept, "pass [Concept('glasses')]")
        if not self.concepts:
            raise InvalidInputError("a recording needs at least one concept, met none: pass [Concept('glasses')]")
        self.edit_momentum_scale = BY_NAME["edit_momentum_scale"].check(edit_momentum_scale)
        self.edit_mom_beta = BY_NAME["edit_mom_beta"].check(edit_mom_beta)
        if self.edit_mom_beta == 1:
            raise InvalidInputError(f"edit_mom_beta must be in [0, 1), met {edit_mom_beta}: the default is 0.4")
        self._embeddings = dict(rules.instance("embeddings", embeddings or {}, Mapping, "pass one by concept"))
        for concept in self.concepts:
            if concept.text not in self._embeddings:
                check_concept(pipe, concept.text)
        self.pipe = pipe
        self.guide = guide
        self.vectors: list[GuidanceVector] = []
        self.noises: list[InitialNoise] = []
        self.notes: list[str] = []

    def __repr__(self) -> str:
        texts = [concept.text for concept in self.concepts]
        return f"<Recorder of {texts} on {type(self.pipe).__name__}, {len(self.vectors)} vectors recorded>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `pipe(*args, **kwargs)` and record; returns what the pipeline returns, errors as of `record`."""
        self.vectors, self.noises, self.notes = [], [], []
        made = self.record(*args, **kwargs)
        self.vectors, self.noises, self.notes = made.vectors, made.noises, made.notes
        return made.output

    def record(self, *args: Any, **kwargs: Any) -> Recording:
        """Run `pipe(*args, **kwargs)` and record; returns all of it, and leaves the recorder's own attributes alone.

        Raises:
            InvalidInputError: A concept would guide no step of this run.
            PipelineError: The run can't be recorded, stopped early, met NaN or infinity, or gave a concept nothing.
                Nothing is recorded then.
        """
        call = PipelineCall.bind(self.pipe, args, kwargs)
        denoisers = find_denoisers(self.pipe)
        if any(getattr(denoiser, "is_cache_enabled", False) for denoiser in denoisers):
            raise PipelineError(
                "a recorded run must make all its denoiser calls, met a denoiser with a cache: call its disable_cache()"
            )
        with one_at_a_time(self.pipe), freed_after_error(self.pipe), ExitStack() as attached:
            forget = attached.enter_context(encoded_once(self.pipe))
            watched = self._watch(call)
            concepts = self._in_run(watched.first)
            noises, provenances = self._describe(call, watched.first, concepts)
            predictions = Predictions(functools.partial(_learn, watched, forget, call.num_samples), self.pipe)
            run = _RecordedRun(self, concepts, predictions, watched.first, noises)
            told = [concept.text for concept in concepts if concept.text not in self._embeddings]
            idle = self._parameter_notes(watched.first)
            notes = [[*text_notes(call, told, sample), *idle] for sample in range(call.num_samples)]
            del watched  # its tensors go once the conditioning is learnt
            attached.enter_context(predictions.attached(denoisers))
            attached.enter_context(guided_steps(self.pipe, run.begin, run.check))
            try:
                result = call()
            except Exception as error:
                refusal = predictions.refusal(error)
                if refusal is None:
                    raise
                raise refusal from error
            vectors = run.vectors(self.pipe.scheduler, provenances)
        each = [noise for noise in noises for _ in concepts]
        own = [[*said, *result_notes(result, sample)] for sample, said in enumerate(notes)]
        return Recording(result, vectors, each, list(dict.fromkeys(chain(*own))), own)

    def recipes(self, *args: Any, **kwargs: Any) -> list[str]:
        """The recipe of each vector that a call would record, in the order of `vectors`, before it runs."""
        call = PipelineCall.bind(self.pipe, args, kwargs)
        with one_at_a_time(self.pipe), freed(self.pipe), tokenizing(self.pipe):
            watched = watch(self._asked(call, self.concepts[0].text))
            concepts = self._in_run(watched)
            _, provenances = self._describe(call, watched, concepts)
        return [recipe(c, p) for sample in provenances for c, p in zip(concepts, sample, strict=True)]

    def _in_run(self, watched: Watched) -> list[Concept]:
        """The concepts with the warm-up that they have in a run.

        Raises:
            InvalidInputError: One would guide nothing.
        """
        concepts = [concept.in_run(watched.num_steps) for concept in self.concepts]
        for concept in concepts:
            if reason := concept.idle_reason(watched.num_steps):
                raise InvalidInputError(f"{concept.text!r} must guide a step of its recording, met none: {reason}")
        return concepts

    def _parameter_notes(self, watched: Watched) -> list[str]:
        """What was given and has no effect."""
        notes = [note for concept in self.concepts if (note := cooldown_note(concept, watched.num_steps))]
        if not self.edit_momentum_scale and self.edit_mom_beta != BY_NAME["edit_mom_beta"].default:
            notes.append("edit_mom_beta has no effect, since edit_momentum_scale is 0")
        return notes

    def _watch(self, call: PipelineCall) -> "_WatchedTexts":
        """Watch the call with each concept as its prompt, and with what else is needed to learn from."""
        texts = [concept.text for concept in self.concepts]
        first = watch(self._asked(call, texts[0]))
        others = [watch_denoiser(self._asked(call, text)) for text in texts[1:]]
        guided = first.call.rows > call.num_samples
        told_apart = all(len({call.text("prompt", sample), *texts}) > 1 for sample in range(call.num_samples))
        empty = None if guided and told_apart else watch_denoiser(self._asked(call, ""))
        changing: set[int] = set()
        if any(name.startswith("controlnet") for name in self.pipe.components):  # its outputs know text and noise
            elsewhere = watch_denoiser(self._asked(call, texts[0]).with_other_noise())
            changing = differing_leaves(first.call, elsewhere)
        return _WatchedTexts(first, others, empty, changing)

    def _asked(self, call: PipelineCall, text: str) -> PipelineCall:
        """The call with a concept, or no text, as its prompt.

        Raises:
            PipelineError: Embeddings of the empty text are needed.
        """
        if self._embeddings and text == "" and "" not in self._embeddings:
            raise PipelineError(
                "a run without classifier-free guidance compares concepts with the empty text: give its embeddings too,"
                " as embeddings['']"
            )
        return call.with_prompt(text, self._embeddings.get(text))

    def _describe(
        self, call: PipelineCall, watched: Watched, concepts: Sequence[Concept]
    ) -> tuple[list[InitialNoise], list[list[Provenance]]]:
        """The initial noise of each sample, and the provenance of each sample's vectors."""
        momentum = self.edit_momentum_scale, self.edit_mom_beta
        return watched.noises, describe_run(call, watched.noises, concepts, *momentum, self.guide, self._embeddings)


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

    def __init__(
        self,
        recorder: Recorder,
        concepts: Sequence[Concept],
        predictions: Predictions,
        watched: Watched,
        noises: Sequence[InitialNoise],
    ) -> None:
        self.check = RunCheck()
        self._concepts, self._guides = concepts, recorder.guide
        self._predictions = predictions
        self._scheduler = recorder.pipe.scheduler
        self._packing = watched.packing
        self._noises = noises
        self._buffer = SparseBuffer()
        self._momenta = [Momentum(recorder.edit_momentum_scale, recorder.edit_mom_beta)] * len(concepts)
        self._accumulator = Accumulator()

    def begin(self, model_output: Tensor, _timestep: Any, sample: Tensor) -> Guide:
        """Learn the space of the guidance, before the first step.

        Raises:
            PipelineError: The run started from other noise than it did when it was watched.
        """
        if not starts(stacked(self._noises), sample, getattr(self._scheduler, "init_noise_sigma", 1.0), self._packing):
            raise PipelineError(
                "a recorded run must start from the noise that it says, this one drew another one than a moment before"
                " (another thread may have drawn in between): pass generator="
            )
        space = GuidanceSpace.of_recording(self._packing, self._predictions.own, model_output, sample)
        return functools.partial(self._guide, space)

    def _guide(self, space: GuidanceSpace, model_output: Tensor, _timestep: Any, sample: Tensor) -> Tensor:
        asked = self._predictions.of_step()
        psi = torch.stack([space.direction(concept, asked.base, sample) for concept in asked.concepts], dim=1)
        self.check.look("the denoiser's prediction", psi, model_output)
        loose, strict = self._tails(psi)
        self._buffer.append(loose)
        step = len(self.check.timesteps)
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
        """The vectors of the finished run, sample by sample.

        Raises:
            PipelineError: The run didn't come to its end, met NaN or infinity, or a vector guides none of its steps.
        """
        self.check.check_finite()
        self.check.check_whole()
        timesteps = as_doubles(torch.stack([torch.as_tensor(t).flatten()[0] for t in self.check.timesteps]))
        sigmas = noise_levels(scheduler, timesteps)
        vectors = [
            GuidanceVector(
                concept, *self._buffer.vector(sample, index), self._buffer.dtype, timesteps, sigmas, provenance
            )
            for sample, described in enumerate(provenances)
            for index, (concept, provenance) in enumerate(zip(self._concepts, described, strict=True))
        ]
        for vector in vectors:
            concept = vector.concept
            if not vector.support[concept.warmup : concept.edit_cooldown_steps].any():
                raise PipelineError(
                    f"a vector must guide a step of its run, {concept.text!r} guides none of {len(timesteps)}: the"
                    " denoiser predicts the same with the concept as without a text. It may be the negative prompt, or"
                    " a text that the text encoder doesn't tell from none"
                )
        return vectors
