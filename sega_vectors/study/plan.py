"""What a study is about: the model, the concepts, the prompts and the noises, and how they are paired."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from string import Formatter
from typing import Any, TypeVar

from sega_store import Concept, InvalidInputError
from sega_store.records import rules
from sega_store.records.json_record import Record
from sega_vectors.study.runs import Applied, Noise, Recorded, Run, Source

_T = TypeVar("_T")
_EDITS = tuple(parameter.name for parameter in fields(Concept) if parameter.name != "text")


@dataclass(frozen=True)
class Pair:
    """One noise with the prompt to record on and the prompts to apply its vectors to.

    Attributes:
        seed: The seed of the noise.
        source: The prompt of the recording.
        same_style: A prompt of the same style with another subject.
        other_style: The same subject in another style.
        other: The seed of the control's noise: that of the next pair with the same source prompt, or else of the next.
        other_source: The prompt of the control's recording.
    """

    seed: int
    source: str
    same_style: str
    other_style: str
    other: int
    other_source: str


@dataclass(frozen=True)
class Plan(Record):
    """A study; every run follows from it.

    Attributes:
        model: As `load_pipeline` takes it.
        judge: `embedded`, or `clip:MODEL`.
        concepts: Texts; points that need many runs per concept use the first `few_concepts`.
        styles: Beginnings of prompts, such as `a pencil drawing of`; at least two.
        subjects: Ends of prompts, such as `a woman`; at least two.
        seeds: The noises, at least two.
        arguments: Arguments of the pipeline's call, such as `num_inference_steps`.
        edit: Edit parameters of the recordings, as `Concept` takes them.
        apply_scale: s_e to apply vectors with.
        tried: How many noises vectors are tried at; the other noises only give vectors.
        few: How many noises the points with many runs per noise use.
        few_concepts: How many concepts the points with many runs per concept use.
        naming: How a prompt names a concept: a text with `{prompt}` and `{concept}`.
        swaps: Pairs of concepts: a prompt names the first, and the second is to replace it.

    Raises:
        InvalidInputError: There are too few of something, or a concept, scale or prompt is invalid.
    """

    concepts: tuple[str, ...]
    styles: tuple[str, ...]
    subjects: tuple[str, ...]
    seeds: tuple[int, ...]
    arguments: Mapping[str, Any] = field(hash=False)
    edit: Mapping[str, Any] = field(hash=False)
    apply_scale: float
    model: str = "embedded"
    judge: str = "embedded"
    tried: int = 32
    few: int = 12
    few_concepts: int = 4
    naming: str = "{prompt} with {concept}"
    swaps: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for name, values, least in (
            ("concept", self.concepts, 1),
            ("style", self.styles, 2),
            ("subject", self.subjects, 2),
            ("seed", self.seeds, 2),
        ):
            if len(set(values)) < least or len(set(values)) != len(values):
                raise InvalidInputError(
                    f"a study needs at least {least} {name}s, each once; met {', '.join(map(str, values)) or 'none'}:"
                    f" give more, such as another --{name}"
                )
        object.__setattr__(
            self, "apply_scale", rules.finite("apply_scale", self.apply_scale)
        )  # 15 and 15.0 are one key
        if unknown := [name for name in self.edit if name not in _EDITS]:
            raise InvalidInputError(
                f"the edit parameters of a plan are among {', '.join(_EDITS)}; met {', '.join(map(repr, unknown))}:"
                " leave out what is none"
            )
        for text in self.judged:
            self.concept(text)
        for swap in self.swaps:
            if len(swap) != 2 or swap[0] == swap[1]:
                raise InvalidInputError(f"a swap is of two different concepts; met {', '.join(swap)}: name both")
        if _fields(self.naming) != {"prompt", "concept"}:
            raise InvalidInputError(
                f"naming must hold {{prompt}} and {{concept}} and no other field; met {self.naming!r}: it is how a"
                " prompt names a concept"
            )
        rules.integer("few_concepts", self.few_concepts, 1)
        if not 2 <= self.few <= self.tried:
            raise InvalidInputError(
                f"few must be from 2 to tried, met {self.few} of {self.tried}: it is how many of the noises that"
                " vectors are tried at take part in all points"
            )

    def concept(self, text: str, **edits: Any) -> Concept:
        """A concept with the recordings' edit parameters, or others by name."""
        return Concept(text, **{**self.edit, **edits})

    @cached_property
    def every_pair(self) -> tuple[Pair, ...]:
        """A pair for each noise. Styles take turns, then subjects; the target has another style, also in turn."""
        styles, subjects = len(self.styles), len(self.subjects)
        sources = [self._prompt(i, i // styles) for i in range(len(self.seeds))]

        def control(i: int) -> int:
            others = others_of(range(len(sources)), i)
            return next((j for j in others if sources[j] == sources[i]), others[0])

        return tuple(
            Pair(
                seed,
                sources[i],
                self._prompt(i, i // styles + 1 + i % (subjects - 1)),
                self._prompt(i + 1 + i // styles % (styles - 1), i // styles),
                self.seeds[control(i)],
                sources[control(i)],
            )
            for i, seed in enumerate(self.seeds)
        )

    @property
    def judged(self) -> tuple[str, ...]:
        """All concepts that a judge must recognise."""
        return tuple(dict.fromkeys([*self.concepts, *(text for swap in self.swaps for text in swap)]))

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs that vectors are tried on."""
        return self.every_pair[: self.tried]

    @property
    def leading_concepts(self) -> tuple[str, ...]:
        """The concepts that points with many runs per concept use."""
        return self.concepts[: self.few_concepts]

    @property
    def few_pairs(self) -> tuple[Pair, ...]:
        """The pairs that points with many runs per noise use."""
        return self.pairs[: self.few]

    def _prompt(self, style: int, subject: int) -> str:
        return f"{self.styles[style % len(self.styles)]} {self.subjects[subject % len(self.subjects)]}"

    def named(self, prompt: str, concept: str) -> str:
        """A prompt that names a concept."""
        return self.naming.format(prompt=prompt, concept=concept)

    def recorded(self, text: str, pair: Pair, **edits: Any) -> Recorded:
        """A concept's vector, recorded on a pair's source prompt."""
        return Recorded(self.concept(text, **edits), pair.source, pair.seed)

    def control(self, text: str, pair: Pair) -> Recorded:
        """The same concept's vector from another noise."""
        return Recorded(self.concept(text), pair.other_source, pair.other)

    def applied(self, source: Source, **edits: Any) -> Applied:
        """A vector, at the study's scale if no other is given."""
        return Applied.of(source, **{"edit_guidance_scale": self.apply_scale, **edits})

    def run(self, prompt: str, seed: int, *applied: Applied) -> Run:
        """A run from a pair's noise."""
        return Run(prompt, Noise(seed), applied=applied)

    def ways(
        self, prompt: str, noise: Noise, concepts: Sequence[Concept], uses: Mapping[str, Applied]
    ) -> dict[str, Run]:
        """The plain run of a prompt and noise, SEGA's with some concepts, and one with each vector, by name."""
        plain = Run(prompt, noise)
        applied = {name: Run(prompt, noise, applied=(use,)) for name, use in uses.items()}
        return {"plain": plain, "SEGA": plain.sega(*concepts), **applied}


def _fields(template: str) -> set[str]:
    """The names of the plain fields of a format string, `?` for others; none if it can't be read."""
    try:
        found = Formatter().parse(template)
        return {"?" if spec or conversion else name for _, name, spec, conversion in found if name is not None}
    except ValueError:
        return set()


def others_of(values: Sequence[_T], index: int) -> list[_T]:
    """All values but the one at an index: those after it, then those before it."""
    return [*values[index + 1 :], *values[:index]]


def evenly(values: Sequence[_T], count: int) -> list[_T]:
    """At most `count` of the values, evenly spaced, to show a few of them."""
    count = min(count, len(values))
    return [values[i * len(values) // count] for i in range(count)]


def default_plan(model: str) -> Plan:
    """The full study of a model.

    For models other than the embedded one it has the article's examples, with the edit parameters of diffusers and a
    judge that knows any concept.
    """
    if model != "embedded":
        return Plan(
            concepts=(
                "glasses",
                "a beard",
                "a hat",
                "a smile",
                "red hair",
                "blue hair",
                "long hair",
                "a green background",
            ),
            styles=("a photograph of", "an oil painting of", "a pencil drawing of", "a watercolour of", "pixel art of"),
            subjects=("a man", "a woman", "a king", "a queen", "a child"),
            seeds=tuple(range(65)),
            arguments={},
            edit={},
            apply_scale=5.0,
            model=model,
            judge="clip:openai/clip-vit-base-patch32",
            swaps=(("red hair", "blue hair"), ("glasses", "a hat")),
        )
    return Plan(
        concepts=("glasses", "beard", "hat", "red hair", "blue hair", "smile", "long hair", "green background"),
        styles=("a photograph of", "a cartoon of", "a pencil drawing of", "a watercolour of", "pixel art of"),
        subjects=("a man", "a woman", "a king", "a queen", "a person"),
        seeds=tuple(range(70_000, 70_065)),  # no trial of the model has used them
        arguments={"num_inference_steps": 20, "guidance_scale": 4.0},
        edit={"edit_guidance_scale": 10.0, "edit_threshold": 0.8, "edit_warmup_steps": 2},
        apply_scale=15.0,
        swaps=(("short hair", "long hair"), ("red hair", "blue hair"), ("glasses", "hat"), ("beard", "smile")),
    )
