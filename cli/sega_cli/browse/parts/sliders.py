"""The edit parameters of a vector or concept as sliders, and what a slider's value means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sega_cli.browse.jobs.orders import MOST_STEPS
from sega_store import Concept
from sega_store.records.edit_parameters import BY_NAME

NEVER = 2 * MOST_STEPS  # a cool-down beyond the steps of any order, also where a step takes two calls


@dataclass(frozen=True)
class Slider:
    """One parameter.

    Attributes:
        name: Its name in `Concept`.
        hint: What the parameter does.
        value: Where it starts: as recorded, or the model's default.
        least, most: Its left and its right end.
        step: The distance between two values.
        endless: The right end means never.
        moved: Where it stands, if somebody moved it.
    """

    name: str
    label: str
    hint: str
    value: float
    least: float
    most: float
    step: float
    endless: bool = False
    moved: float | None = None

    @property
    def at(self) -> float:
        """Where it stands."""
        return self.value if self.moved is None else self.moved

    @property
    def start_text(self) -> str:
        """The value that it starts with, as a person reads it."""
        return self._read(self.value)

    @property
    def text(self) -> str:
        """The value that it stands at, as a person reads it."""
        return self._read(self.at)

    def _read(self, value: float) -> str:
        return "never" if self.endless and value >= self.most else f"{value:g}"

    def changed(self, value: float) -> Any:
        """The parameter's new value, from the slider value that was sent; None if it stays where it started."""
        if abs(value - self.value) < self.step / 2:  # a browser moves a value to the nearest that the step allows
            return None
        if self.endless and value >= self.most:
            return NEVER
        return round(value) if self.step == 1 else value


def sliders(concept: Concept, steps: int, *, keep: bool) -> list[Slider]:
    """The parameters of a concept, the most used first.

    Args:
        concept: Where they start.
        steps: The steps of the run.
        keep: Whether entries below the concept's `keep_threshold` are gone.
    """
    scale = max(abs(concept.edit_guidance_scale), 1.0)
    threshold = concept.edit_threshold
    cooldown = steps if concept.edit_cooldown_steps is None else min(concept.edit_cooldown_steps, steps)
    return [
        _slider("edit_guidance_scale", concept.edit_guidance_scale, -3 * scale, 3 * scale, scale / 20),
        _slider("edit_threshold", threshold, concept.keep_threshold if keep else 0, max(threshold, 0.99), 0.01),
        _slider("edit_warmup_steps", min(concept.in_run(steps).warmup, steps), 0, steps, 1),
        _slider("edit_cooldown_steps", cooldown, 0, steps, 1, endless=True),
        _slider("edit_weight", concept.edit_weight, 0, max(2.0, 2 * concept.edit_weight), 0.05),
    ]


def _slider(name: str, value: float, least: float, most: float, step: float, *, endless: bool = False) -> Slider:
    parameter = BY_NAME[name]
    return Slider(name, parameter.label, parameter.help, value, least, most, step, endless)


def edit_of(made: Sequence[Slider], values: Sequence[float]) -> dict[str, Any]:
    """The parameters that were changed, from the value of each slider."""
    changes = {slider.name: slider.changed(value) for slider, value in zip(made, values, strict=True)}
    return {name: value for name, value in changes.items() if value is not None}


def moved_to(made: Sequence[Slider], edit: Mapping[str, Any]) -> list[Slider]:
    """The sliders moved to changed parameters: the inverse of `edit_of`."""
    return [replace(one, moved=min(edit[one.name], one.most)) if one.name in edit else one for one in made]
