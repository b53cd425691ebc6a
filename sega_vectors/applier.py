"""Applying: stored guidance vectors, added to the runs of other prompts at the price of a plain run.

No denoiser call is made, and none grows, for a concept. The guidance is added to what the pipeline hands to its
scheduler.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from sega_store import Concept, GuidanceVector, IncompatibleError, InitialNoise, InvalidInputError, Library
from sega_store.records import rules
from sega_vectors.latents.noise import generators, stacked, starts
from sega_vectors.latents.packing import Packing, find_packing
from sega_vectors.latents.space import GuidanceSpace
from sega_vectors.maths.parameters import edits
from sega_vectors.maths.plan import GuidancePlan, PlannedVector, for_samples
from sega_vectors.maths.prediction import conversion
from sega_vectors.maths.schedule import FloatArray, extent, match_steps, noise_ratios
from sega_vectors.pipeline.call import PipelineCall, check_pipeline
from sega_vectors.pipeline.denoiser import find_denoisers, hooked
from sega_vectors.pipeline.draws import SubstitutedDraws
from sega_vectors.pipeline.noise_levels import noise_levels, prediction_type
from sega_vectors.pipeline.notes import cooldown_note, result_notes, text_notes
from sega_vectors.pipeline.packings import learning_packings
from sega_vectors.pipeline.run_check import RunCheck
from sega_vectors.pipeline.scheduler_hooks import Guide, guided_steps
from sega_vectors.pipeline.text_cache import encoded_once
from sega_vectors.pipeline.turns import one_at_a_time
from sega_vectors.pipeline.watch import freed, freed_after_error, watch
from sega_vectors.provenance.facts import model_facts, scheduler_facts
from sega_vectors.provenance.gate import (
    Compatibility,
    Target,
    assign,
    check,
    check_named,
    check_one_noise,
    check_overrides,
    check_shape,
)


@dataclass(frozen=True)
class Application:
    """What one call with vectors gave.

    Attributes:
        output: What the pipeline returned.
        compatibility: For each vector, how its recording relates to the run.
        samples: For each vector, which of the run's samples it acted on, from 0.
        notes: What a user should know of the run: texts that were cut, parameters without effect, pictures that a
            safety checker blanked.
        sample_notes: Those of them that concern each sample.
    """

    output: Any
    compatibility: list[Compatibility]
    samples: list[tuple[int, ...]]
    notes: list[str]
    sample_notes: list[list[str]]


class Applier:
    """Calls a pipeline with stored vectors added to its guidance.

    A vector acts on the samples that start from its initial noise; where `allow` holds "noise", one that finds no such
    sample acts on all.

    Attributes:
        compatibility: For each vector, how its recording relates to the last run; empty if that failed.
        notes: The notes of the last run; these two are as of `Application`, which `apply` returns.
    """

    def __init__(
        self,
        pipe: DiffusionPipeline,
        vectors: Sequence[GuidanceVector],
        *,
        noise: InitialNoise | Sequence[InitialNoise] | None = None,
        edit_guidance_scale: float | Sequence[float | None] | None = None,
        edit_threshold: float | Sequence[float | None] | None = None,
        edit_warmup_steps: int | Sequence[int | None] | None = None,
        edit_cooldown_steps: int | Sequence[int | None] | None = None,
        reverse_editing_direction: bool | Sequence[bool | None] | None = None,
        edit_weights: float | Sequence[float | None] | None = None,
        edit_momentum_scale: float | Sequence[float | None] | None = None,
        edit_mom_beta: float | Sequence[float | None] | None = None,
        allow: Collection[str] = (),
    ) -> None:
        """Prepare to apply. Each edit parameter is one value for all vectors or a list of one a vector; None means as
        recorded. Warm-up and cool-down given here count this run's steps; recorded ones are moved to the same noise
        level where the schedules differ.

        Args:
            pipe: A diffusers pipeline; it is left as it was after each call.
            vectors: Any number, from any recordings.
            noise: The initial noise to start from, one for all samples or one a sample; None: the call's own
                `latents` or `generator`.
            edit_guidance_scale: s_e.
            edit_threshold: λ, from the vector's keep_threshold up.
            edit_warmup_steps: δ.
            edit_cooldown_steps: Steps after which a vector acts no more.
            reverse_editing_direction: Whether to guide away from the concept.
            edit_weights: g_i, 0 or more.
            edit_momentum_scale: s_m.
            edit_mom_beta: β_m.
            allow: Refusals to override: "noise", "architecture".

        Raises:
            InvalidInputError: A parameter out of range, a λ looser than recorded, or a list of the wrong length.
            IncompatibleError: A vector belongs to no initial noise.
        """
        check_pipeline(pipe)
        self.pipe = pipe
        self.vectors = rules.instances("vectors", vectors, GuidanceVector, "pass [vector], or library[REF] for a REF")
        for vector in self.vectors:
            check_named(vector)
        if noise is not None and not isinstance(noise, InitialNoise):
            remedy = "take it from library.noise(REF) or a recorder, or pass latents= to the call"
            noise = rules.instances("noise", noise, InitialNoise, remedy)
        self.noise = noise
        self.allow = check_overrides(allow)
        self.compatibility: list[Compatibility] = []
        self.notes: list[str] = []
        self._beta_given = edit_mom_beta is not None
        self._edits = edits(
            self.vectors,
            edit_guidance_scale=edit_guidance_scale,
            edit_threshold=edit_threshold,
            edit_warmup_steps=edit_warmup_steps,
            edit_cooldown_steps=edit_cooldown_steps,
            reverse_editing_direction=reverse_editing_direction,
            edit_weights=edit_weights,
            edit_momentum_scale=edit_momentum_scale,
            edit_mom_beta=edit_mom_beta,
        )

    @classmethod
    def from_library(
        cls,
        pipe: DiffusionPipeline,
        library: Library | str | os.PathLike[str],
        refs: Mapping[str, float] | Sequence[str],
        *,
        seed: int | None = None,
        noise: InitialNoise | Sequence[InitialNoise] | None = None,
        **settings: Any,
    ) -> "Applier":
        """Prepare to apply vectors of a library, at their initial noise and with what is recommended for them.

        Args:
            pipe: A diffusers pipeline.
            library: Where they are, or its path or URL.
            refs: Their REFs; in a mapping, each with what its scale is multiplied by, as in `{"glasses": 1.5}`.
            seed: Which vectors, where a concept has several: those whose noise it drew.
            noise: Another initial noise, or one a sample.
            settings: The other arguments of `Applier`.

        Raises:
            RefError: A REF doesn't lead to one vector, or the library lacks its noise.
            IncompatibleError: The vectors are of several initial noises, and none is given.
        """
        library = library if isinstance(library, Library) else Library(library)
        if not isinstance(refs, Mapping):
            refs = dict.fromkeys(rules.instances("refs", refs, str, "pass ['glasses'] or {'glasses': 1.5}"), 1.0)
        scales = {ref: rules.finite(f"The scale of {ref!r}", scale) for ref, scale in refs.items()}
        vectors = [library.load(ref, seed).tuned for ref in scales]
        if noise is None and vectors:
            check_one_noise(dict(zip(scales, vectors, strict=True)))
            noise = library.noise(vectors[0].id)
        recommended = [scale * v.concept.edit_guidance_scale for scale, v in zip(scales.values(), vectors, strict=True)]
        return cls(pipe, vectors, noise=noise, **{"edit_guidance_scale": recommended, **settings})

    def __repr__(self) -> str:
        texts = [vector.concept.text for vector in self.vectors]
        return f"<Applier of {texts} on {type(self.pipe).__name__}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `pipe(*args, **kwargs)` with the vectors added; returns what the pipeline returns, errors as of
        `apply`."""
        self.compatibility, self.notes = [], []
        made = self.apply(*args, **kwargs)
        self.compatibility, self.notes = made.compatibility, made.notes
        return made.output

    def check(self, *args: Any, **kwargs: Any) -> list[Compatibility]:
        """How each vector's recording relates to the run `pipe(*args, **kwargs)`, without running it.

        Which of its steps a vector covers is known once the run has begun, and said by `apply`.

        Raises:
            IncompatibleError: A vector does not belong to this run.
        """
        call = PipelineCall.bind(self.pipe, args, kwargs)
        with one_at_a_time(self.pipe), freed(self.pipe), encoded_once(self.pipe):
            call, start = self._start(call)
            return self._check(call, start.known)

    def apply(self, *args: Any, **kwargs: Any) -> Application:
        """Run `pipe(*args, **kwargs)` with the vectors added; returns all of it, and leaves the applier's own
        attributes alone.

        Raises:
            IncompatibleError: A vector does not belong to this run; nothing has been run then.
            PipelineError: The run met NaN or infinity.
        """
        call = PipelineCall.bind(self.pipe, args, kwargs)
        with one_at_a_time(self.pipe), freed_after_error(self.pipe), ExitStack() as attached:
            encoded = attached.enter_context(encoded_once(self.pipe))
            call, start = self._start(call)
            run = _AppliedRun(self, start, self._check(call, start.known), call.num_samples)
            texts = [text_notes(call, sample=sample) for sample in range(call.num_samples)]
            until_begun = attached.enter_context(ExitStack())  # closed before the first denoiser call
            until_begun.callback(encoded)
            if start.stored is not None:
                start.packings = attached.enter_context(learning_packings(self.pipe))
                draws = attached.enter_context(SubstitutedDraws(list(stacked(start.stored))))
                until_begun.callback(draws.close)
            attached.enter_context(hooked(find_denoisers(self.pipe), lambda *_: until_begun.close(), pipe=self.pipe))
            if self.vectors or start.stored is not None:
                attached.enter_context(guided_steps(self.pipe, run.begin, run.check))
            result = call()
        run.check.check_finite()
        own = [[*said, *run.notes, *result_notes(result, sample)] for sample, said in enumerate(texts)]
        return Application(result, run.compatibility, run.samples, list(dict.fromkeys(chain(*own))), own)

    def _start(self, call: PipelineCall) -> tuple[PipelineCall, "_Start"]:
        """The call as it is to be made, and what is known of its initial noise before it."""
        if self.noise is not None:
            stored = self._stored_noises(call)
            return _seeded(call, stored), _Start(stored, stored)
        if not self.vectors:
            return call, _Start()
        watched = watch(call)
        return call, _Start(known=None if "noise" in self.allow else watched.noises, packing=watched.packing)

    def _stored_noises(self, call: PipelineCall) -> list[InitialNoise]:
        """The given noise of each sample."""
        if call.arguments.get("latents") is not None:
            raise InvalidInputError("a run has one initial noise, met both noise= and latents=: pass one of them")
        if isinstance(self.noise, InitialNoise):
            return [self.noise] * call.num_samples
        noises = list(self.noise or ())
        if len(noises) != call.num_samples:
            raise InvalidInputError(
                f"noise must be one for all or one a sample ({call.num_samples}), met {len(noises)}"
            )
        return noises

    def _check(self, call: PipelineCall, noises: Sequence[InitialNoise] | None) -> list[Compatibility]:
        target = Target(
            model=model_facts(self.pipe),
            scheduler=scheduler_facts(self.pipe),
            guidance_scale=call.guidance_scale,
            num_inference_steps=call.num_inference_steps,
            noises=None if noises is None else tuple(noise.sha256 for noise in noises),
            sample_shape=None if noises is None else noises[0].array.shape,
            arguments=call.others,
        )
        return [check(vector, target, self.allow) for vector in self.vectors]

    def plan(self, indices: Sequence[int], timesteps: FloatArray, device: torch.device) -> GuidancePlan:
        """The guidance of some of the vectors over a run.

        Args:
            indices: Which vectors.
            timesteps: The run's timesteps, shape (M,).
            device: Where the run's samples are.
        """
        return GuidancePlan(self.planned(indices, timesteps), len(timesteps), device)

    def idle_notes(self, index: int, concept: Concept, num_steps: int) -> list[str]:
        """What of a vector's parameters was given and has no effect in a run.

        Args:
            index: Which vector.
            concept: It with the parameters that act.
            num_steps: The run's steps.
        """
        edit, notes = self._edits[index], []
        if reason := concept.idle_reason(num_steps):
            notes.append(f"{concept.text!r} adds nothing: {reason}")
        if "edit_cooldown_steps" in edit.changes and (note := cooldown_note(concept, num_steps)):
            notes.append(note)
        if self._beta_given and not edit.edit_momentum_scale:
            notes.append(f"edit_mom_beta of {concept.text!r} has no effect, since edit_momentum_scale is 0")
        return notes

    def planned(self, indices: Sequence[int], timesteps: FloatArray) -> list[PlannedVector]:
        """Some of the vectors, matched to the steps of a run; arguments as of `plan`."""
        scheduler = self.pipe.scheduler
        target = prediction_type(scheduler)
        ratios = noise_ratios(noise_levels(scheduler, timesteps), target)
        planned = []
        for edit in (self._edits[i] for i in indices):
            vector = edit.vector
            predicted = vector.provenance.scheduler.prediction_type
            recorded = noise_ratios(vector.sigmas, predicted)
            match = match_steps(vector.timesteps, recorded, timesteps, ratios, extent(vector))
            factors = None
            if predicted != target:
                factors = tuple(conversion(predicted, target, match.between(recorded)).tolist())
            planned.append(PlannedVector(edit.kept, edit.concept(match.steps_before), match, edit.momentum(factors)))
        return planned


@dataclass
class _Start:
    """What is known of a run's initial noise.

    Attributes:
        known: The noise of each sample; None where it wasn't looked at.
        stored: The same, where the run is to start from stored noise.
        packing: How the pipeline packs its samples, where it was watched.
        packings: The packings that the pipeline uses until the first step.
    """

    known: list[InitialNoise] | None = None
    stored: list[InitialNoise] | None = None
    packing: Packing | None = None
    packings: Sequence[Packing] = ()


def _seeded(call: PipelineCall, noises: Sequence[InitialNoise]) -> PipelineCall:
    """The call with generators of the noises' seeds, if it has none: stochastic samplers go on drawing from them."""
    if "generator" not in call.arguments or call.arguments["generator"] is not None:
        return call
    made = generators(noises, torch.device(call.pipe._execution_device))
    if made is None:
        return call
    return call.replace(generator=made if len(made) > 1 else made[0])


class _AppliedRun:
    """What is attached to the pipeline for one call with vectors."""

    def __init__(self, applier: Applier, start: _Start, compatibility: list[Compatibility], num_samples: int) -> None:
        self.check = RunCheck()
        self.compatibility = compatibility
        self.notes: list[str] = []
        self._applier = applier
        self._start = start
        names = [None] * num_samples if start.known is None else [noise.sha256 for noise in start.known]
        self._assigned = assign(applier.vectors, names)

    def begin(self, _model_output: Tensor, _timestep: Any, sample: Tensor) -> Guide:
        """Check what the run starts from, and plan all of it, before the first step.

        Raises:
            IncompatibleError: The run starts from something else than the given noise.
        """
        space = GuidanceSpace(self._packing(sample))
        for vector in self._applier.vectors:
            check_shape(vector, space.shape(sample))
        if sample.shape[0] != len(self._assigned):
            raise IncompatibleError(
                f"a run must make {len(self._assigned)} samples as its prompts say, met {sample.shape[0]}"
            )
        planned = self._applier.planned(range(len(self._applier.vectors)), self.check.planned)
        self._describe(planned)
        plans = {
            indices: GuidancePlan([planned[i] for i in indices], len(self.check.planned), sample.device)
            for indices in dict.fromkeys(self._assigned)
            if indices
        }

        def guide(model_output: Tensor, _timestep: Any, _sample: Tensor) -> Tensor:
            guidances = {indices: plan.guidance() for indices, plan in plans.items()}
            return space.guided(model_output, for_samples(guidances, self._assigned))

        return guide

    @property
    def samples(self) -> list[tuple[int, ...]]:
        """The samples that each vector acts on."""
        vectors = range(len(self._applier.vectors))
        return [tuple(b for b, acting in enumerate(self._assigned) if i in acting) for i in vectors]

    def _describe(self, planned: Sequence[PlannedVector]) -> None:
        """Note what of the run each vector covers, and what has no effect there."""
        for i, one in enumerate(planned):
            steps, covered = len(one.match.covered), int(one.match.covered.sum())
            if covered < steps:
                part = f"{covered} of this run's {steps} steps covered, at the others it adds nothing"
                self.compatibility[i] = Compatibility.of([*self.compatibility[i].differences, part])
            self.notes += self._applier.idle_notes(i, one.concept, steps)

    def _packing(self, sample: Tensor) -> Packing | None:
        """How the pipeline packs its samples; it is checked that the run starts from the noise that is known."""
        sigma = getattr(self._applier.pipe.scheduler, "init_noise_sigma", 1.0)
        if self._start.stored is None:
            known = self._start.known
            if known is not None and not starts(stacked(known), sample, sigma, self._start.packing):
                raise IncompatibleError(
                    "a run must start from the noise that was checked, this one drew another one than a moment before"
                    " (another thread may have drawn in between): pass generator= or noise="
                )
            return self._start.packing
        noise = stacked(self._start.stored)
        packing = find_packing(self._start.packings, [noise], sample, sigma)
        if not starts(noise, sample, sigma, packing):
            raise IncompatibleError(
                f"a run must start from the stored noise of shape {tuple(noise.shape[1:])}, this one started from other"
                f" samples of shape {tuple(sample.shape[1:])}: run at the recorded height and width; a run that starts"
                " from an image starts from the recorded one with the recorded generator, and takes no noise="
            )
        return packing
