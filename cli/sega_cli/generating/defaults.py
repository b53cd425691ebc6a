"""Defaults for what the command line leaves out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_MEDIA = ("a cartoon", "a pencil drawing", "a photograph", "pixel art", "a watercolour")
_PROMPTS = (
    *(f"{medium} of a {subject}" for subject in ("man", "woman") for medium in _MEDIA),
    "a photograph of a woman with blond hair",
    "a watercolour of a man with red hair",
)


def moved_warmup(warmup: int, num_steps: int, to_steps: int) -> int:
    """The warm-up of a run of `num_steps` as the same share of one of `to_steps`."""
    return round(warmup / num_steps * to_steps)


@dataclass(frozen=True)
class Defaults:
    """Defaults of a model.

    Attributes:
        run: Arguments of the pipeline's call.
        edit: Edit parameters of a concept.
        apply_scale: s_e to apply its vectors to other prompts with; None: as recorded. A vector that guides its own
            recording fades as the concept appears there, so other prompts need a larger scale.
        prompts: Prompts to try its vectors on.
        judge: The judge that tells which of its pictures show a concept.

    Their text form is meant for help texts.
    """

    run: Mapping[str, Any] = field(default_factory=dict)
    edit: Mapping[str, Any] = field(default_factory=dict)
    apply_scale: float | None = None
    prompts: Sequence[str] = ()
    judge: str | None = None

    def edit_in(self, num_steps: int | None) -> dict[str, Any]:
        """The edit parameters, with the warm-up that is the same share of so many steps; None: of the default run's."""
        edit = dict(self.edit)
        if num_steps and "edit_warmup_steps" in edit:
            edit["edit_warmup_steps"] = moved_warmup(
                edit["edit_warmup_steps"], self.run["num_inference_steps"], num_steps
            )
        return edit

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in {**self.run, **self.edit}.items())


def defaults_of(model: str) -> Defaults:
    """The embedded model's own recommendations; for other models those of diffusers and of `Concept`."""
    if model != "embedded":
        return Defaults()
    return Defaults(
        run={"num_inference_steps": 20, "guidance_scale": 4.0},
        edit={"edit_guidance_scale": 10.0, "edit_threshold": 0.8, "edit_warmup_steps": 2},
        apply_scale=15.0,
        prompts=_PROMPTS,
        judge="embedded",
    )
