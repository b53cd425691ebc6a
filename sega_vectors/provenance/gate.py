"""The provenance gate: whether a vector belongs to a run.

*exact*: the run differs from the recorded one in its prompt alone. *compatible*: also in what guidance is known to
carry over, such as the schedule, a fine-tune of the weights, or the prediction type, to which it is converted; what
differs is said. *Refused*, by an error: another initial noise, sample shape or architecture. A refusal but the shape's
can be overridden by name, since showing that another noise does not work is part of the science. Vectors that name no
initial noise, which only files of 0.1.0 hold, are refused everywhere.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sega_store import GuidanceVector, IncompatibleError, InvalidInputError, ModelFacts, SchedulerFacts
from sega_store.records.provenance import CONCEPT_EMBEDS, OF_NO_NOISE

OVERRIDES = ("noise", "architecture")

_TASKS = re.compile("Pipeline|Modular|Semantic|Img2Img|Inpaint|ControlNet|Control|Union|XS|PAG|Adapter|Depth2Img|Fill")


@dataclass(frozen=True)
class Compatibility:
    """How a vector's recording relates to the run that it is applied to.

    Attributes:
        answer: `exact` or `compatible`.
        differences: What differs, each in a sentence part; empty if exact.
    """

    answer: Literal["exact", "compatible"]
    differences: tuple[str, ...]

    @classmethod
    def of(cls, differences: Collection[str]) -> "Compatibility":
        """Exact if nothing differs."""
        return cls("compatible" if differences else "exact", tuple(differences))


@dataclass(frozen=True)
class Target:
    """The facts of a run that vectors are applied to.

    Attributes:
        noises: SHA-256 of each sample's initial noise; None if it was not looked at.
        sample_shape: (C, *S); None if it is not yet known.
        arguments: The call's other arguments, as `RunFacts.arguments` has them; None if they were not looked at.
    """

    model: ModelFacts
    scheduler: SchedulerFacts
    guidance_scale: float | None
    num_inference_steps: int
    noises: tuple[str, ...] | None
    sample_shape: tuple[int, ...] | None
    arguments: Mapping[str, Any] | None = None


def check_overrides(allow: Collection[str]) -> frozenset[str]:
    """The refusals to be overridden, if all are known.

    Raises:
        InvalidInputError: One is unknown.
    """
    unknown = sorted(set(allow) - set(OVERRIDES))
    if unknown:
        raise InvalidInputError(f"allow may name {', '.join(OVERRIDES)}; met {', '.join(unknown)}: leave it out")
    return frozenset(allow)


def check_named(vector: GuidanceVector) -> None:
    """Refuse a vector that names no initial noise, whatever is allowed."""
    if not vector.provenance.noise.is_named:
        raise IncompatibleError(f"vector {vector.concept.text!r} is {OF_NO_NOISE}")


def check_one_noise(
    vectors: Mapping[str, GuidanceVector], remedy: str = "record them at one noise, or give the noise of each sample"
) -> None:
    """Refuse vectors of several initial noises, for runs of one.

    Args:
        vectors: By what each is called.
        remedy: What the error says after the rule and the noises.
    """
    noises = {vector.provenance.noise.sha256: name for name, vector in vectors.items()}
    if len(noises) > 1:
        raise IncompatibleError(
            "vectors that are applied together must be recorded from one initial noise, met"
            f" {', '.join(f'{noise[:12]} ({name})' for noise, name in noises.items())}: apply them one by one, {remedy}"
        )


def check_shape(vector: GuidanceVector, sample_shape: tuple[int, ...]) -> None:
    """Refuse a sample of another shape than the vector's."""
    recorded = tuple(vector.support.shape[1:])
    if recorded != tuple(sample_shape):
        raise IncompatibleError(
            f"vector {vector.concept.text!r} was recorded on samples of shape {recorded}, this run's are"
            f" {tuple(sample_shape)}: run at the recorded height and width, or record the concept at this size"
        )


def check_noise(vector: GuidanceVector, noises: Sequence[str | None] | None, allow: Collection[str] = ()) -> list[str]:
    """Refuse a run none of whose samples starts from the vector's noise.

    Args:
        vector: The vector.
        noises: SHA-256 of each sample's initial noise, with None for a noise without a name; None instead of the list
            if the noises were not looked at.
        allow: Refusals to override.

    Returns:
        What differs, where that is allowed; else nothing.
    """
    recorded = vector.provenance.noise
    if noises is None or recorded.sha256 in noises:
        return []
    seed = "" if recorded.seed is None else f" (seed {recorded.seed})"
    met = ", ".join("another" if noise is None else noise[:12] for noise in noises[:3])
    return _differs(
        vector,
        "noise",
        f"initial noise {recorded.sha256[:12]}{seed}",
        f"initial noise {met}",
        "pass the stored noise, Applier(..., noise=library.noise(ref)) or latents=guider.latents, or record the concept"
        " at this noise",
        allow,
    )


def check_architecture(
    vector: GuidanceVector, denoiser: str, allow: Collection[str] = (), model: str = "this pipeline's"
) -> list[str]:
    """Refuse a denoiser of another class than the recorded one.

    Args:
        vector: The vector.
        denoiser: The class of the run's denoiser.
        allow: Refusals to override.
        model: The name of the run's model, for the message.

    Returns:
        What differs, where that is allowed; else nothing.
    """
    recorded = vector.provenance.model
    if recorded.denoiser == denoiser:
        return []
    return _differs(
        vector,
        "architecture",
        f"a {recorded.denoiser} ({recorded.id})",
        f"a {denoiser} ({model})",
        "use a model of the recorded architecture, or record the concept with this one",
        allow,
    )


def _check_pipeline(vector: GuidanceVector, model: ModelFacts, allow: Collection[str]) -> list[str]:
    """Refuse other weights in a pipeline of another family: Stable Diffusion's and SDXL's denoisers are of one class,
    and their latents lie in different spaces."""
    recorded = vector.provenance.model
    if _family(recorded.pipeline) == _family(model.pipeline):
        return []
    remedy = "use a pipeline of the recorded family, or record the concept with this one"
    was, now = f"a {recorded.pipeline} ({recorded.id})", f"a {model.pipeline} ({model.id})"
    return _differs(vector, "architecture", was, now, remedy, allow)


def _family(pipeline: str) -> str:
    """A pipeline's class name without what says how it is controlled or what it starts from."""
    return _TASKS.sub("", pipeline)


def _differs(vector: GuidanceVector, name: str, was: str, now: str, remedy: str, allow: Collection[str]) -> list[str]:
    if name in allow:
        return [f"{now} instead of {was}"]
    raise IncompatibleError(
        f"vector {vector.concept.text!r} was recorded with {was}, this run has {now}: {remedy}, or override with"
        f" allow={{{name!r}}}"
    )


def assign(vectors: Sequence[GuidanceVector], noises: Sequence[str | None]) -> list[tuple[int, ...]]:
    """The vectors that act on each sample, by index: those of its noise, and those of none of the samples'.

    Args:
        vectors: All of them.
        noises: SHA-256 of each sample's initial noise; None if it is not known.
    """
    recorded = [vector.provenance.noise.sha256 for vector in vectors]
    return [tuple(i for i, r in enumerate(recorded) if r == noise or r not in noises) for noise in noises]


def check(vector: GuidanceVector, target: Target, allow: Collection[str] = ()) -> Compatibility:
    """Compare a vector's provenance with a run.

    Raises:
        IncompatibleError: The vector is refused; the message names what differs and what to do.
    """
    recorded = vector.provenance
    if target.sample_shape is not None:
        check_shape(vector, target.sample_shape)
    differences = check_noise(vector, target.noises, allow)
    differences += check_architecture(vector, target.model.denoiser, allow, target.model.id)
    if recorded.model.fingerprint != target.model.fingerprint:
        differences += _check_pipeline(vector, target.model, allow)
        differences.append(f"weights {target.model.id} instead of {recorded.model.id} (fingerprints differ)")
    facts: list[tuple[str, object, object]] = [
        ("dtype", recorded.model.dtype, target.model.dtype),
        ("prediction type", recorded.scheduler.prediction_type, target.scheduler.prediction_type),
        ("scheduler", recorded.scheduler.name, target.scheduler.name),
        ("guidance_scale", recorded.run.guidance_scale, target.guidance_scale),
        ("num_inference_steps", recorded.run.num_inference_steps, target.num_inference_steps),
    ]
    differences += [f"{what} {now} instead of {was}" for what, was, now in facts if was != now]
    if recorded.scheduler.name == target.scheduler.name:
        differences += [
            f"scheduler {change}"
            for change in _changes(recorded.scheduler.config, target.scheduler.config)
            if not change.startswith("prediction_type ")
        ]
    if target.arguments is not None:
        plain = {name: value for name, value in recorded.run.arguments.items() if name != CONCEPT_EMBEDS}
        differences += _changes(plain, target.arguments)
    return Compatibility.of(differences)


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [
        f"{key} {new.get(key)} instead of {old.get(key)}"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]
