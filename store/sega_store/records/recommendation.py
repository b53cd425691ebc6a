"""A recommendation: the edit parameters that a vector was found to work best with, and how often it did."""

from dataclasses import dataclass

from sega_store.errors import InvalidInputError
from sega_store.records import rules
from sega_store.records.json_record import JSON, Record


@dataclass(frozen=True)
class Recommendation(Record):
    """Edit parameters to apply a vector with, and what was measured with them.

    Attributes:
        edit_guidance_scale: s_e.
        edit_threshold: λ in [0, 1).
        edit_warmup_steps: δ, in the steps of the recording.
        judge: What judged the pictures, such as `embedded`; one line.
        shown: In how many pictures it found the concept.
        plain: In how many of the same runs without the vector.
        of: How many pictures there were, at least 1.

    Raises:
        InvalidInputError: A rule is broken.
    """

    edit_guidance_scale: float
    edit_threshold: float
    edit_warmup_steps: int
    judge: str
    shown: int
    plain: int
    of: int

    def __post_init__(self) -> None:
        scale = rules.finite("edit_guidance_scale", self.edit_guidance_scale)
        threshold = rules.finite("edit_threshold", self.edit_threshold)
        if not 0 <= threshold < 1:
            raise InvalidInputError(f"edit_threshold must be in [0, 1), met {self.edit_threshold!r}.")
        object.__setattr__(self, "edit_guidance_scale", scale)
        object.__setattr__(self, "edit_threshold", threshold)
        object.__setattr__(self, "edit_warmup_steps", rules.integer("edit_warmup_steps", self.edit_warmup_steps))
        rules.line("A judge", self.judge)
        object.__setattr__(self, "of", rules.integer("of", self.of, minimum=1))
        for name in ("shown", "plain"):
            count = rules.integer(name, getattr(self, name))
            if count > self.of:
                raise InvalidInputError(f"{name} must be at most the {self.of} pictures that were judged, met {count}.")
            object.__setattr__(self, name, count)

    @property
    def parameters(self) -> dict[str, JSON]:
        """The edit parameters by their names, as `Applier` takes them."""
        names = ("edit_guidance_scale", "edit_threshold", "edit_warmup_steps")
        return {name: getattr(self, name) for name in names}
