"""Applying: stored guidance vectors, added to the runs of other prompts at the price of a plain run.

No denoiser call is made, and none grows, for a concept. The guidance is added to what the pipeline hands to its
scheduler.
"""

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from sega_store import GuidanceVector, IncompatibleError, InitialNoise, InvalidInputError
from sega_vectors.latents.packing import Packing, learning_packings, packing_for, patches_of
from sega_vectors.latents.space import packed
from sega_vectors.maths.guidance import add_guidance
from sega_vectors.maths.parameters import edits
from sega_vectors.maths.plan import GuidancePlan, PlannedVector, for_samples
from sega_vectors.maths.prediction import conversion
from sega_vectors.maths.schedule import as_array, first_step, match_steps, noise_levels, noise_ratios, prediction_type
from sega_vectors.pipeline.call import PipelineCall
from sega_vectors.pipeline.denoiser import find_denoisers, hooked
from sega_vectors.pipeline.draws import SubstitutedDraws
from sega_vectors.pipeline.scheduler_hooks import guided_steps
from sega_vectors.pipeline.watch import watch
from sega_vectors.provenance.facts import as_tensor, initial_noises, model_facts, scheduler_facts
from sega_vectors.provenance.gate import Compatibility, Target, assign, check, check_overrides, check_shape


class Applier:
    """Calls a pipeline with stored vectors added to its guidance.

    A vector acts on the samples that start from its initial noise, one that belongs to no single noise on all; where
    `allow` holds "noise", so does one that finds no such sample.

    Attributes:
        compatibility: For each vector, how its recording relates to the last run.
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
        """
        self.pipe = pipe
        self.vectors = tuple(vectors)
        self.noise = noise
        self.allow = check_overrides(allow)
        self.compatibility: list[Compatibility] = []
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

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `pipe(*args, **kwargs)` with the vectors added; returns what the pipeline returns.

        Raises:
            IncompatibleError: A vector does not belong to this run; nothing has been run then.
        """
        call = PipelineCall.bind(self.pipe, args, kwargs)
        noises: list[InitialNoise] | None = None
        packing: Packing | None = None
        if self.noise is not None:
            noises = self._stored_noises(call)
            call = _seeded(call, noises)
        elif self.vectors:
            watched = watch(call)
            packing = watched.packing
            noises = None if "noise" in self.allow else initial_noises(call, watched.noise)
        self.compatibility = self._check(call, noises)
        run = _AppliedRun(self, self._assign(call, noises), noises if self.noise is not None else None, packing)
        with ExitStack() as attached:
            if self.noise is not None:
                run.packings = attached.enter_context(learning_packings(self.pipe))
                draws = attached.enter_context(SubstitutedDraws([as_tensor(noise) for noise in run.noises or ()]))
                attached.enter_context(hooked(find_denoisers(self.pipe), lambda *_: draws.close()))
            if self.vectors or self.noise is not None:
                attached.enter_context(guided_steps(self.pipe.scheduler, run.guide))
            return call()

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

    def _assign(self, call: PipelineCall, noises: Sequence[InitialNoise] | None) -> list[tuple[int, ...]]:
        """The vectors that act on each sample, by index."""
        return assign(self.vectors, [None] * call.num_samples if noises is None else [n.sha256 for n in noises])

    def plan(self, indices: Sequence[int], timesteps: Any, device: torch.device) -> GuidancePlan:
        """The guidance of the given vectors over a run with the given timesteps, shape (M,)."""
        scheduler = self.pipe.scheduler
        target = prediction_type(scheduler)
        ratios = noise_ratios(noise_levels(scheduler, timesteps), target)
        planned = []
        for edit in (self._edits[i] for i in indices):
            vector = edit.vector
            predicted = vector.provenance.scheduler.prediction_type
            recorded = noise_ratios(vector.sigmas, predicted)
            match = match_steps(vector.timesteps, recorded, timesteps, ratios)
            factors = None
            if predicted != target:
                factors = tuple(conversion(predicted, target, match.between(recorded)).tolist())
            concept, momentum = edit.concept(match.steps_before), (edit.edit_momentum_scale, edit.edit_mom_beta)
            planned.append(PlannedVector(edit.kept, concept, match, *momentum, factors))
        return GuidancePlan(planned, len(timesteps), device)


def _seeded(call: PipelineCall, noises: Sequence[InitialNoise]) -> PipelineCall:
    """The call with generators of the noises' seeds, if it has none: stochastic samplers go on drawing from them."""
    seeds = [(n.seed, n.device) for n in noises if n.seed is not None]
    possible = len(seeds) == len(noises) and all(d == "cpu" or torch.cuda.is_available() for _, d in seeds)
    if "generator" not in call.arguments or call.arguments["generator"] is not None or not possible:
        return call
    generators = [torch.Generator(device=device).manual_seed(seed) for seed, device in seeds]
    return call.replace(generator=generators if len(generators) > 1 else generators[0])


class _AppliedRun:
    """What is attached to the pipeline for one call with vectors."""

    def __init__(
        self,
        applier: Applier,
        assigned: list[tuple[int, ...]],
        noises: list[InitialNoise] | None,
        packing: Packing | None,
    ) -> None:
        self.applier = applier
        self.assigned = assigned
        self.noises = noises
        self.packing = packing
        self.packings: list[Packing] = []
        self.step = 0
        self._plans: dict[tuple[int, ...], GuidancePlan] = {}

    def guide(self, model_output: Tensor, timestep: Any, sample: Tensor) -> Tensor:
        if self.step == 0:
            self._prepare(timestep, sample)
        guidances = {indices: plan.guidance(self.step) for indices, plan in self._plans.items()}
        self.step += 1
        guidance = for_samples(guidances, self.assigned)
        return model_output if guidance is None else add_guidance(model_output, packed(guidance, self.packing))

    def _prepare(self, timestep: Any, sample: Tensor) -> None:
        sigma = getattr(self.applier.pipe.scheduler, "init_noise_sigma", 1.0)
        noise = None if self.noises is None else torch.stack([as_tensor(n) for n in self.noises]).to(sample.device)
        packing = self.packing or packing_for(self.packings, sample.shape[1:])
        if packing is None and noise is not None:
            packing = patches_of([noise], sample, sigma)
        self.packing = packing and packing.to(sample.device)
        shape = tuple(sample.shape[1:]) if self.packing is None else self.packing.shape
        for vector in self.applier.vectors:
            check_shape(vector, shape)
        if sample.shape[0] != len(self.assigned):
            raise IncompatibleError(
                f"a run must make {len(self.assigned)} samples as its prompts say, met {sample.shape[0]}"
            )
        scheduler = self.applier.pipe.scheduler
        if noise is not None:
            self._check_started(sample, noise, sigma)
        planned = as_array(scheduler.timesteps)
        first = first_step(scheduler, timestep, getattr(self.applier.pipe, "num_timesteps", None))
        for indices in dict.fromkeys(self.assigned):
            if indices:
                self._plans[indices] = self.applier.plan(indices, planned[first:], sample.device)

    def _check_started(self, sample: Tensor, noise: Tensor, sigma: Any) -> None:
        """Check that the run did start from the stored noises, shape (B, C, *S)."""
        if noise[0].numel() == sample[0].numel():
            shaped = noise.reshape(sample.shape) if self.packing is None else packed(noise, self.packing)
            if torch.equal((shaped.to(sample) * sigma).to(sample), sample):
                return
        raise IncompatibleError(
            f"a run must start from the stored noise of shape {tuple(noise.shape[1:])}, this one started from other"
            f" samples of shape {tuple(sample.shape[1:])}: run at the recorded height and width; a run that starts from"
            " an image starts from the recorded one with the recorded generator, and takes no noise="
        )
