"""A recommendation: the edit parameters that a vector was found to work best with, and how often it did."""

from dataclasses import dataclass

from sega_store.errors import InvalidInputError
from sega_store.records import rules
from sega_store.records.edit_parameters import BY_NAME, RECOMMENDED
from sega_store.records.json_record import JSON, Record


@dataclass(frozen=True)
class Recommendation(Record):
    """Edit parameters to apply a vector with, and what was measured with them.

    Attributes:
        edit_guidance_scale: s_e.
        edit_threshold: λ in [0, 1).
        edit_warmup_steps: δ, in the steps of the recording.
        judge: What judged the pictures, such as `embedded`; one line.
        shown: In how many pictures the judge found the concept.
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
        for name in RECOMMENDED:
            object.__setattr__(self, name, BY_NAME[name].check(getattr(self, name)))
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
        return {name: getattr(self, name) for name in RECOMMENDED}
