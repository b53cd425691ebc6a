"""A guider for diffusers' modular pipelines: classifier-free guidance, and stored vectors added to it.

guider = SegaGuidance("my-library", ["glasses"], guidance_scale=7.5)
pipe.update_components(guider=guider)
image = pipe(prompt="a drawing of a queen", latents=guider.latents, output="images")[0]

A modular pipeline gives its guider the predictions of each step, the timestep, and the denoiser, and no more. So the
guidance is added to the prediction itself, after guidance_rescale; steps match by their timesteps; and what is seen of
the initial noise is the denoiser's first input, which also tells how it is packed.
"""

import os
import threading
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import ClassifierFreeGuidance
from diffusers.configuration_utils import register_to_config
from diffusers.guiders.guider_utils import GuiderOutput
from diffusers.utils.torch_utils import unwrap_module
from torch import Tensor, nn

from sega_store import IncompatibleError, InitialNoise, InvalidInputError, Library, UnknownRefError
from sega_vectors.latents.noise import as_tensor, points_along
from sega_vectors.latents.packing import Packing
from sega_vectors.latents.space import GuidanceSpace
from sega_vectors.maths.parameters import edits
from sega_vectors.maths.plan import StepwisePlan, for_samples
from sega_vectors.maths.schedule import noise_ratios
from sega_vectors.pipeline.denoiser import DenoiserCall
from sega_vectors.pipeline.noise_levels import noise_levels
from sega_vectors.provenance.facts import model_facts, scheduler_facts
from sega_vectors.provenance.gate import (
    Compatibility,
    Target,
    assign,
    check,
    check_architecture,
    check_named,
    check_noise,
    check_overrides,
    check_shape,
)

if TYPE_CHECKING:
    from diffusers import ModularPipeline

_SAME_LEVEL = 0.01  # relative, of σ / α at a timestep
_RENORMALISED = "QwenImageTransformer2DModel"  # its loops scale what a guider returns to the norm of pred_cond


class SegaGuidance(ClassifierFreeGuidance):  # type: ignore[misc]
    """Classifier-free guidance with stored vectors; without vectors, it is classifier-free guidance to the bit.

    A vector acts on the samples that start from its initial noise, as far as the library holds that noise; else on all.

    Attributes:
        vectors: The vectors of the library that act.
        config: The parameters, with the library's absolute path and the vectors' ids; what `save_pretrained` saves.
    """

    # A pipeline saves only such guiders as were loaded from somewhere. This says that it was, but not from where.
    _diffusers_load_id = "null|null|null|null"

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        library: str | os.PathLike[str] | Library,
        vectors: Sequence[str] = (),
        guidance_scale: float = 7.5,
        guidance_rescale: float = 0.0,
        use_original_formulation: bool = False,
        start: float = 0.0,
        stop: float = 1.0,
        enabled: bool = True,
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
        """Read the vectors. Edit parameters are those of `Applier`: one value, or one a vector; None: as recorded.

        Args:
            library: Where the vectors are.
            vectors: Their REFs.
            guidance_scale: As `ClassifierFreeGuidance` has it, like the five parameters that follow, which do not
                concern the vectors.
            guidance_rescale: The vectors are added after it.
            use_original_formulation: Another scale of the same guidance.
            start: Share of the steps without classifier-free guidance before the others.
            stop: Share of the steps after which there is none.
            enabled: Whether there is classifier-free guidance.
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
            RefError: A REF doesn't lead to one vector.
            VectorFileError: A vector's file is damaged.
            InvalidInputError: A parameter out of range, a λ looser than recorded, or a list of the wrong length.
            IncompatibleError: A vector belongs to no initial noise.
        """
        super().__init__(guidance_scale, guidance_rescale, use_original_formulation, start, stop, enabled)
        if isinstance(vectors, str):
            raise InvalidInputError(f"vectors must be a list of REFs, met the text {vectors!r}: pass [{vectors!r}]")
        opened = library if isinstance(library, Library) else Library(library)
        ids = [opened.resolve(ref) for ref in vectors]
        self.register_to_config(
            library=opened.where,
            vectors=ids,
            allow=sorted(allow),
            _use_default_values=[],  # diffusers takes values that were given by position for defaults, and drops them
        )
        self.allow = check_overrides(allow)
        self.vectors = tuple(opened[identity] for identity in ids)
        for vector in self.vectors:
            check_named(vector)
        self._noises = {noise.sha256: noise for noise in (_noise(opened, identity) for identity in ids) if noise}
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
        self._run: _GuidedRun | None = None

    @property
    def latents(self) -> Tensor:
        """The initial noise of the vectors, to start a run from: shape (1, C, *S), on the host.

        Raises:
            InvalidInputError: The library holds none of them, or several.
        """
        if len(self._noises) != 1:
            raise InvalidInputError(
                f"a run starts from one initial noise, the vectors' are {len(self._noises)} in the library: take one by"
                " library.noise(ref)"
            )
        return as_tensor(next(iter(self._noises.values()))).unsqueeze(0)

    def check(self, pipe: "ModularPipeline", num_inference_steps: int) -> list[Compatibility]:
        """Compare a pipeline with the recordings, in what the guider can't see in a run; and tell what else differs.

        Args:
            pipe: The pipeline that is to run with this guider.
            num_inference_steps: The number of steps of that run.

        Raises:
            IncompatibleError: The pipeline predicts something else than the recorded model, or at other noise levels.
        """
        target = Target(
            model=model_facts(pipe),
            scheduler=scheduler_facts(pipe),
            guidance_scale=self.guidance_scale,
            num_inference_steps=num_inference_steps,
            noises=None,
            sample_shape=None,
            arguments=None,
        )
        fresh = type(pipe.scheduler).from_config(pipe.scheduler.config)  # a run leaves its own few steps there
        for vector in self.vectors:
            recorded, predicted = vector.provenance.scheduler.prediction_type, target.scheduler.prediction_type
            if predicted != recorded:
                raise IncompatibleError(
                    f"a guider adds vectors to the prediction that they were recorded with, vector"
                    f" {vector.concept.text!r} is of {recorded}, this pipeline's is {predicted}:"
                    " call the pipeline through Applier, which converts"
                )
            levels = noise_ratios(noise_levels(fresh, vector.timesteps), predicted)
            known = noise_ratios(vector.sigmas, recorded)
            if not np.allclose(levels, known, rtol=_SAME_LEVEL):
                raise IncompatibleError(
                    f"a guider matches steps by their timesteps, and vector {vector.concept.text!r} was recorded with"
                    " another noise schedule than this pipeline's: call the pipeline through Applier, which matches"
                    " by noise levels"
                )
        return [check(vector, target, self.allow) for vector in self.vectors]

    def set_state(self, step: int, num_inference_steps: int, timestep: Tensor) -> None:
        """Called by the pipeline before each step."""
        if self.vectors and (self._run is None or step != self._step + 1):
            self._run = _GuidedRun(self, from_noise=step == 0)
        super().set_state(step, num_inference_steps, timestep)
        if self._run is not None:
            self._run.begin_step(timestep)

    def prepare_models(self, denoiser: nn.Module) -> None:
        """Called by the pipeline before each call of the denoiser."""
        super().prepare_models(denoiser)
        if self._run is not None:
            self._run.look_at(denoiser)

    def forward(self, pred_cond: Tensor, pred_uncond: Tensor | None = None) -> GuiderOutput:
        """The guided prediction of a step.

        Args:
            pred_cond: The prediction with the prompt, shape (B, C, *S).
            pred_uncond: The prediction without it, of the same shape; None where there is no classifier-free guidance.
        """
        output = super().forward(pred_cond=pred_cond, pred_uncond=pred_uncond)
        guidance = self._run.guidance(pred_cond) if self._run is not None else None
        if self._run is None or guidance is None:
            return output
        guided = self._run.space.guided
        if not self._run.renormalised:
            return GuiderOutput(pred=guided(output.pred, guidance), pred_cond=pred_cond, pred_uncond=pred_uncond)
        pred = guided(_with_norm_of(pred_cond, output.pred), guidance)
        return GuiderOutput(
            pred=pred, pred_cond=pred, pred_uncond=pred_uncond
        )  # scaling it to its own norm changes nothing


def _with_norm_of(other: Tensor, prediction: Tensor) -> Tensor:
    """A prediction of shape (B, tokens, channels) with each token scaled to the norm of another's."""
    scaled: Tensor = prediction * (
        torch.norm(other, dim=-1, keepdim=True) / torch.norm(prediction, dim=-1, keepdim=True)
    )
    return scaled


def _noise(library: Library, identity: str) -> InitialNoise | None:
    try:
        return library.noise(identity)
    except UnknownRefError:  # the vector was added without its noise
        return None


class _GuidedRun:
    """What a guider knows of one run.

    Args:
        guider: The guider.
        from_noise: Whether the run's first step is the guider's; Wan 2.2 has a second guider for the later steps.
    """

    def __init__(self, guider: SegaGuidance, from_noise: bool) -> None:
        self._guider = guider
        self._from_noise = from_noise
        self._timestep = 0.0
        self._planned: tuple[int, list[float]] | None = None  # a storage's address, and its entries
        self._sample: Tensor | None = None
        self.renormalised = False
        self.space = GuidanceSpace()
        self._assigned: list[tuple[int, ...]] | None = None
        self._plans: dict[tuple[int, ...], StepwisePlan] = {}

    def begin_step(self, timestep: Any) -> None:
        """Take the step's timestep to the host: all of a run's at its first step, so that no later one waits."""
        if not isinstance(timestep, Tensor) or timestep.device.type == "cpu":
            self._timestep = float(timestep)
            return
        storage = timestep.untyped_storage()
        if self._planned is None or self._planned[0] != storage.data_ptr():
            count = storage.nbytes() // timestep.element_size()  # a pipeline's timesteps are the entries of one tensor
            self._planned = storage.data_ptr(), timestep.as_strided((count,), (1,), 0).tolist()
        self._timestep = float(self._planned[1][timestep.storage_offset()])

    def look_at(self, denoiser: nn.Module) -> None:
        """Check the denoiser, and look at the samples that it gets first."""
        if self._assigned is not None or self._sample is not None:
            return
        name = type(unwrap_module(denoiser)).__name__
        for vector in self._guider.vectors:
            check_architecture(vector, name, self._guider.allow)
        self.renormalised = name == _RENORMALISED

        thread = threading.get_ident()

        def before(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> None:
            if kwargs is None or threading.get_ident() != thread:  # another pipeline's that shares the denoiser
                return
            handle.remove()  # before the call, which may fail
            self._sample = DenoiserCall.of(args, kwargs).samples

        handle = denoiser.register_forward_pre_hook(before, with_kwargs=True)

    def guidance(self, prediction: Tensor) -> Tensor | None:
        """γ_t of the step, shape (B or 1, C, *S); None where nothing is added.

        Args:
            prediction: The guided prediction, shape (B, ...).

        Raises:
            IncompatibleError: A vector is refused, at the first step.
        """
        if self._assigned is None:
            self._assigned = self._begin(prediction)
        guidances = {indices: plan.guidance(self._timestep) for indices, plan in self._plans.items()}
        return for_samples(guidances, self._assigned)

    def _begin(self, prediction: Tensor) -> list[tuple[int, ...]]:
        """Learn the space of the guidance and plan the run, before the first step.

        Returns:
            The vectors that act on each sample, by index.
        """
        vectors = self._guider.vectors
        packing = Packing.of_patches(vectors[0].shape[1:], tuple(prediction.shape[1:]))
        self.space = GuidanceSpace(packing and packing.to(prediction.device))
        for vector in vectors:
            check_shape(vector, self.space.shape(prediction))
        assigned = self._assign(prediction)
        self._sample = None
        self._plans = {
            indices: StepwisePlan([self._guider._edits[i] for i in indices], prediction.device)
            for indices in dict.fromkeys(assigned)
            if indices
        }
        return assigned

    def _assign(self, prediction: Tensor) -> list[tuple[int, ...]]:
        """The vectors that act on each sample, by index."""
        vectors, allow, known = self._guider.vectors, self._guider.allow, self._guider._noises
        noises = [self._started_from(row, prediction.shape[1]) for row in range(prediction.shape[0])]
        for vector in vectors:
            if self._from_noise and vector.provenance.noise.sha256 in known:
                check_noise(vector, noises, allow)
        if self.space.packing is not None and not any(noises):
            raise IncompatibleError(
                "in a pipeline that packs its latents, a guider knows by the stored noise where they are, met a run"
                " from none that the library holds: add the vector with its noise, or call the pipeline through Applier"
            )
        return assign(vectors, noises)

    def _started_from(self, row: int, length: int) -> str | None:
        """The hash of the stored noise that a sample's first state is a multiple of; None if it is none of them.

        Args:
            row: The sample's row.
            length: The length of its first dimension; what the denoiser gets beyond that (masks, reference images) is
                no sample.
        """
        if self._sample is None:
            return None
        sample = self._sample[row : row + 1, :length].float()
        noises = self._guider._noises.values()
        return next((noise.sha256 for noise in noises if points_along(noise, sample, self.space.packing)), None)
