"""A concept: a text with SEGA's edit parameters, under the names that diffusers gives them.

References:
    SEGA: Instructing Text-to-Image Models using Semantic Guidance, Brack et al., arXiv 2301.12247
"""

from dataclasses import dataclass, replace

from sega_store.errors import InvalidInputError
from sega_store.records import rules
from sega_store.records.edit_parameters import BY_NAME
from sega_store.records.json_record import JSON, Record


@dataclass(frozen=True, init=False)
class Concept(Record):
    """What to guide a run towards, and how.

    Attributes:
        text: The concept, such as `glasses`; not blank.
        edit_guidance_scale: s_e, the strength of the edit.
        edit_threshold: λ in [0, 1): the quantile of |ψ|, in each channel and step, from which entries are kept.
        edit_warmup_steps: δ, the number of first steps that aren't guided; None: a fifth of the run's steps, which is
            10 of 50. The concept of a recorded vector always has a number.
        edit_cooldown_steps: The step from which on the run is no longer guided; None: never.
        reverse_editing_direction: Guide away from the concept.
        edit_weight: g_i >= 0, the concept's weight among several.
        keep_threshold: The λ with which the vector is recorded, at most `edit_threshold`: a recording can be
            thresholded again at any λ from here up. None means min(edit_threshold, 0.9).

    Raises:
        InvalidInputError: A parameter breaks its rule.
    """

    text: str
    edit_guidance_scale: float
    edit_threshold: float
    edit_warmup_steps: int | None
    edit_cooldown_steps: int | None
    reverse_editing_direction: bool
    edit_weight: float
    keep_threshold: float

    def __init__(  # written out because `keep_threshold` is optional as a parameter and never None as an attribute
        self,
        text: str,
        edit_guidance_scale: float = 5.0,
        edit_threshold: float = 0.95,
        edit_warmup_steps: int | None = None,
        edit_cooldown_steps: int | None = None,
        reverse_editing_direction: bool = False,
        edit_weight: float = 1.0,
        keep_threshold: float | None = None,
    ) -> None:
        given = {
            "edit_guidance_scale": edit_guidance_scale,
            "edit_threshold": edit_threshold,
            "edit_warmup_steps": edit_warmup_steps,
            "edit_cooldown_steps": edit_cooldown_steps,
            "reverse_editing_direction": reverse_editing_direction,
            "edit_weight": edit_weight,
        }
        values = {name: BY_NAME[name].check(value) for name, value in given.items()}
        threshold = values["edit_threshold"]
        keep = min(threshold, 0.9) if keep_threshold is None else rules.finite("keep_threshold", keep_threshold)
        if not 0 <= keep <= threshold:
            raise InvalidInputError(
                f"keep_threshold must be in [0, edit_threshold = {threshold}], met {keep_threshold!r}: what guides "
                "the run must be kept. Lower it, or raise edit_threshold."
            )
        values |= {"text": rules.text("A concept's text", text), "keep_threshold": keep}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_json(cls, data: JSON) -> "Concept":
        """As of `Record`; a stored concept states its warm-up."""
        concept = super().from_json(data)
        if concept.edit_warmup_steps is None:
            raise InvalidInputError("Concept.edit_warmup_steps must be int, met None.")
        return concept

    def in_run(self, num_steps: int) -> "Concept":
        """The concept with its warm-up for a run of so many scheduler steps."""
        return self if self.edit_warmup_steps is not None else replace(self, edit_warmup_steps=round(num_steps / 5))

    @property
    def warmup(self) -> int:
        """δ, once it is known.

        Raises:
            InvalidInputError: It depends on a run.
        """
        if self.edit_warmup_steps is None:
            raise InvalidInputError(
                f"edit_warmup_steps of {self.text!r} must be known, it depends on the run: call in_run(num_steps) first"
            )
        return self.edit_warmup_steps

    def idle_reason(self, num_steps: int) -> str | None:
        """Why the concept guides no step of a run of `num_steps`, with the remedy; None if it guides one."""
        last = num_steps if self.edit_cooldown_steps is None else min(num_steps, self.edit_cooldown_steps)
        if not self.edit_guidance_scale:
            return "edit_guidance_scale is 0: give another"
        if not self.edit_weight:
            return "edit_weight is 0: give another"
        if self.warmup < last:
            return None
        if last < num_steps:
            return (
                f"edit_cooldown_steps {last} comes with or before the end of edit_warmup_steps {self.warmup}: raise the"
                " one or lower the other"
            )
        return f"edit_warmup_steps {self.warmup} leaves none of the run's {num_steps} steps: lower it"
