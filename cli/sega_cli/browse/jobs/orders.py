"""Orders: what a page asks to be generated. They are valid by construction, and need no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sega_store import Concept, InvalidInputError

MOST_VECTORS = 8
MOST_PROMPTS = 8
MOST_PICTURES = 40
MOST_CHARACTERS = 2000
MOST_STEPS = 1000
STRIP = (-2.0, -1.0, 0.0, 1.0, 2.0)

_RUN = ("num_inference_steps", "guidance_scale", "negative_prompt")


@dataclass(frozen=True)
class Shot:
    """One picture of an order.

    Attributes:
        factor: What the guidance is multiplied by; 0 is the plain run.
    """

    prompt: str
    factor: float

    @property
    def caption(self) -> str:
        """What distinguishes it from the other pictures of its prompt."""
        return {0.0: "plain", 1.0: "guided"}.get(self.factor, f"guided × {self.factor:g}".replace("-", "−"))


@dataclass(frozen=True)
class ApplyOrder:
    """Prompts to run with vectors added.

    Attributes:
        vectors: The ids of the vectors.
        edits: For each vector, the edit parameters that differ from its recording, under the names of `Concept`.
        factors: Factors for all the guidance, each of which makes one picture; 0 is the plain run.
        run: Arguments of the pipeline's call that differ from the recording.

    Raises:
        InvalidInputError: There are none or too many of something, or a value is out of range.
    """

    vectors: Sequence[str]
    edits: Sequence[Mapping[str, Any]]
    prompts: Sequence[str]
    factors: Sequence[float] = (1.0,)
    run: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _count("vectors", len(self.vectors), MOST_VECTORS)
        _count("prompts", len(self.prompts), MOST_PROMPTS)
        _count("pictures", len(self.shots), MOST_PICTURES)
        if len(self.edits) != len(self.vectors) or len(set(self.vectors)) != len(self.vectors):
            raise InvalidInputError("each vector is applied once, with its own parameters: pick each of them once.")
        for prompt in self.prompts:
            _text("a prompt", prompt)
        _run(self.run)

    @property
    def shots(self) -> tuple[Shot, ...]:
        """The pictures, prompt by prompt."""
        return tuple(Shot(prompt, factor) for prompt in self.prompts for factor in self.factors)


@dataclass(frozen=True)
class RecordOrder:
    """A prompt to record concepts on.

    Attributes:
        concepts: The concepts, with their edit parameters.
        seed: The seed of the initial noise, if `noise` is None.
        noise: The beginning of the hash of one of the library's noises.
        run: Arguments of the pipeline's call that differ from the model's defaults.

    Raises:
        InvalidInputError: There are none or too many of something, or a value is out of range.
    """

    prompt: str
    concepts: Sequence[Concept]
    model: str = "embedded"
    seed: int = 0
    noise: str | None = None
    run: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _text("the prompt", self.prompt)
        _text("the model's name", self.model)
        _count("concepts", len(self.concepts), MOST_VECTORS)
        for concept in self.concepts:
            _text("a concept", concept.text)
        if not 0 <= self.seed < 2**63:
            raise InvalidInputError(f"a seed is a number from 0 to 2^63 - 1, met {self.seed}.")
        _run(self.run)

    @property
    def shots(self) -> tuple[Shot, ...]:
        """The pictures before and after."""
        return Shot(self.prompt, 0.0), Shot(self.prompt, 1.0)


Order: TypeAlias = ApplyOrder | RecordOrder


def _count(what: str, count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise InvalidInputError(f"an order is for 1 to {most} {what}, met {count}: ask for fewer, or for some.")


def _text(what: str, text: str) -> None:
    if not text.strip() or len(text) > MOST_CHARACTERS:
        raise InvalidInputError(
            f"{what} has 1 to {MOST_CHARACTERS} characters, not all of them blank, met {len(text)}: write another."
        )


def _run(run: Mapping[str, Any]) -> None:
    if foreign := sorted(set(run) - set(_RUN)):
        raise InvalidInputError(f"an order may set {', '.join(_RUN)} of a run, met {', '.join(foreign)}: leave it out.")
    steps = run.get("num_inference_steps", 1)
    if not 1 <= steps <= MOST_STEPS:
        raise InvalidInputError(f"num_inference_steps is from 1 to {MOST_STEPS}, met {steps}.")
    if "negative_prompt" in run:
        _text("a negative prompt", run["negative_prompt"])
