"""Provenance: the facts about the run that a guidance vector was recorded from, and the recipe's hash.

A recipe is what was asked for: weights, scheduler, noise, concept and parameters. It is known before anything runs,
so a library can be asked whether it holds the answer already. What only describes, such as a model's name, the
device, library versions and the time, is left out of it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sega_store.errors import InvalidInputError
from sega_store.records import rules
from sega_store.records.concept import Concept
from sega_store.records.edit_parameters import OF_RUN
from sega_store.records.json_record import JSON, Record, canonical_json, load_json

RECIPE_VERSION = "sega-recipe-1"
NO_NOISE = "0" * 64
"""What stands for a noise's hash in files of vectors that 0.1.0 made of several noises' vectors; no noise has it."""
OF_NO_NOISE = (
    "made of vectors of several initial noises, which was measured not to work: record the concept at the noise wanted"
)
"""Why a vector that names no initial noise is refused."""
CONCEPT_EMBEDS = "concept_embeds"
"""The key, among a run's arguments, of the hashes of the embeddings that a concept was given by instead of its text."""
PREDICTION_TYPES = ("epsilon", "v_prediction", "sample", "flow_prediction")


@dataclass(frozen=True)
class ModelFacts(Record):
    """The model.

    Attributes:
        id: Its name on the Hub, or its folder.
        revision: The commit on the Hub, if known.
        fingerprint: A hash of the weights that shape the guidance.
        pipeline: The pipeline's class name.
        denoiser: The denoiser's class name.
        dtype: The denoiser's dtype, such as `float16`.
        device: Where it ran, such as `cuda`.
    """

    id: str
    revision: str | None
    fingerprint: str
    pipeline: str
    denoiser: str
    dtype: str
    device: str

    def __post_init__(self) -> None:
        for name in ("id", "fingerprint", "pipeline", "denoiser", "dtype", "device"):
            rules.text(f"ModelFacts.{name}", getattr(self, name))


@dataclass(frozen=True)
class SchedulerFacts(Record):
    """The scheduler.

    Attributes:
        name: Its class name.
        config: Its configuration as plain JSON, copied. All of it counts in the recipe: leave out what doesn't shape
            the run, such as the version of the library that saved it.
        prediction_type: `epsilon`, `v_prediction`, `sample` or `flow_prediction`.
    """

    name: str
    config: Mapping[str, JSON] = field(hash=False)
    prediction_type: str

    def __post_init__(self) -> None:
        rules.text("SchedulerFacts.name", self.name)
        if self.prediction_type not in PREDICTION_TYPES:
            raise InvalidInputError(
                f"prediction_type must be one of {', '.join(PREDICTION_TYPES)}, met {self.prediction_type!r}."
            )
        object.__setattr__(self, "config", load_json(canonical_json(dict(self.config))))


@dataclass(frozen=True)
class NoiseFacts(Record):
    """The initial noise.

    Attributes:
        sha256: `InitialNoise.sha256`, or `NO_NOISE`.
        seed: The generator's seed, from 0 to 2^64 - 1, if known.
        device: The generator's device: a seed gives other noise on another one.
        dtype: The noise's dtype.
    """

    sha256: str
    seed: int | None
    device: str
    dtype: str

    def __post_init__(self) -> None:
        rules.sha256("NoiseFacts.sha256", self.sha256)
        object.__setattr__(self, "seed", rules.seed("NoiseFacts.seed", self.seed))
        rules.text("NoiseFacts.device", self.device)
        rules.text("NoiseFacts.dtype", self.dtype)

    @property
    def is_named(self) -> bool:
        """Whether they name a noise; if not, the vector is read, but never applied."""
        return self.sha256 != NO_NOISE


@dataclass(frozen=True)
class RunFacts(Record):
    """The run's parameters.

    Attributes:
        prompt: The prompt; may be empty.
        negative_prompt: The negative prompt, if any.
        guidance_scale: s_g, or None for a pipeline that has none.
        num_inference_steps: As it was asked for, at least 1.
        edit_momentum_scale: s_m.
        edit_mom_beta: β_m in [0, 1].
        guide: Whether the recorded concepts guided the run, or were observed on the unedited one.
        companions: The other concepts that guided the run and so changed its path; () if none did.
        arguments: The call's other plain arguments that change its result, such as `eta` or `strength`.
    """

    prompt: str
    negative_prompt: str | None
    guidance_scale: float | None
    num_inference_steps: int
    edit_momentum_scale: float
    edit_mom_beta: float
    guide: bool
    companions: tuple[Concept, ...] = ()
    arguments: Mapping[str, JSON] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        rules.encodable("prompt", self.prompt)
        if self.negative_prompt is not None:
            rules.encodable("negative_prompt", self.negative_prompt)
        if self.guidance_scale is not None:
            object.__setattr__(self, "guidance_scale", rules.finite("guidance_scale", self.guidance_scale))
        steps = rules.integer("num_inference_steps", self.num_inference_steps, minimum=1)
        object.__setattr__(self, "num_inference_steps", steps)
        for parameter in OF_RUN:
            object.__setattr__(self, parameter.name, parameter.check(getattr(self, parameter.name)))
        object.__setattr__(self, "companions", tuple(c.in_run(steps) for c in self.companions))
        object.__setattr__(self, "arguments", load_json(canonical_json(dict(self.arguments))))


@dataclass(frozen=True)
class Provenance(Record):
    """Where a vector comes from.

    Attributes:
        versions: Versions of the libraries that made it, by name.
        created: ISO 8601 with a time zone; kept in UTC with microseconds, so that times sort as texts.
        derived_from: Content hashes of the vectors that it was computed from, for results of vector algebra. The
            other facts are then those of the first of them.
    """

    model: ModelFacts
    scheduler: SchedulerFacts
    noise: NoiseFacts
    run: RunFacts
    versions: Mapping[str, str] = field(hash=False)
    created: str = field(default_factory=lambda: _iso(datetime.now(UTC)))
    derived_from: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, version in self.versions.items():
            rules.text("A library's name", name)
            rules.text(f"versions[{name!r}]", version)
        object.__setattr__(self, "versions", dict(self.versions))
        try:
            created = datetime.fromisoformat(self.created)
            if created.tzinfo is None:
                raise ValueError
            object.__setattr__(self, "created", _iso(created))
        except (TypeError, ValueError, OverflowError):
            raise InvalidInputError(
                "created must be an ISO 8601 time with a time zone, in the years 1 to 9999 of UTC, "
                f"met {self.created!r}."
            ) from None
        for content in self.derived_from:
            rules.sha256("derived_from", content)
        object.__setattr__(self, "derived_from", tuple(self.derived_from))


def recipe(concept: Concept, provenance: Provenance) -> str:
    """The hash of what was asked for, as 64 hexadecimal digits; needs no arrays.

    It is the sha256 of the canonical JSON of: the model's fingerprint, pipeline and dtype, the scheduler's facts, the
    noise's hash, the concept, the run's facts, `derived_from`, and `RECIPE_VERSION`.
    """
    model = provenance.model
    asked = {
        "version": RECIPE_VERSION,
        "model": {"fingerprint": model.fingerprint, "pipeline": model.pipeline, "dtype": model.dtype},
        "scheduler": provenance.scheduler.to_json(),
        "noise": provenance.noise.sha256,
        "concept": concept.to_json(),
        "run": provenance.run.to_json(),
        "derived_from": list(provenance.derived_from),
    }
    return hashlib.sha256(canonical_json(asked)).hexdigest()


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
