"""A concept: a text with SEGA's edit parameters, under the names that diffusers gives them.

References:
    SEGA: Instructing Text-to-Image Models using Semantic Guidance, Brack et al., arXiv 2301.12247
"""

from dataclasses import dataclass

from sega_store.errors import InvalidInputError
from sega_store.records import rules
from sega_store.records.edit_parameters import BY_NAME
from sega_store.records.json_record import Record


@dataclass(frozen=True, init=False)
class Concept(Record):
    """What to guide a run towards, and how.

    Attributes:
        text: The concept, such as `glasses`; not blank.
        edit_guidance_scale: s_e, the strength of the edit.
        edit_threshold: λ in [0, 1): the quantile of |ψ|, in each channel and step, from which entries are kept.
        edit_warmup_steps: δ, the number of first steps that aren't guided.
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
    edit_warmup_steps: int
    edit_cooldown_steps: int | None
    reverse_editing_direction: bool
    edit_weight: float
    keep_threshold: float

    def __init__(  # written out because `keep_threshold` is optional as a parameter and never None as an attribute
        self,
        text: str,
        edit_guidance_scale: float = 5.0,
        edit_threshold: float = 0.95,
        edit_warmup_steps: int = 10,
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
