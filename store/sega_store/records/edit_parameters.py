"""SEGA's edit parameters, stated once: their names, their rules, and how they are explained to people.

From this table come the checks of `Concept`, `Recommendation` and `RunFacts`, the options of the command line, the
sliders and fields of the pages, and the table in docs/cli.md. A new parameter is a row here, its mathematics, and its
place in the signatures of `Concept` or `Recorder`, `Applier` and `SegaGuidance`.

References:
    SEGA: Instructing Text-to-Image Models using Semantic Guidance, Brack et al., arXiv 2301.12247
"""

from dataclasses import dataclass
from typing import Any

from sega_store.errors import InvalidInputError
from sega_store.records import rules


@dataclass(frozen=True)
class EditParameter:
    """One parameter.

    Attributes:
        name: Its name in diffusers.
        symbol: Its symbol in the paper; empty if it has none.
        kind: float, int or bool.
        default: Its default where a concept is recorded; None: see `text`.
        label: Its name on the pages.
        text: What it does, as a sentence for people.
        of_concept: Whether each concept has its own; else it belongs to the whole run.
        applying: Whether it can be changed when a vector is applied.
        recommended: Whether `tune` looks for its best value.
        least: The least value allowed; None: any. Whole numbers are never below 0.
        below: Values must be below this one; None: any.
        most: The largest value allowed; None: any.
        remedy: What an error says after the rule and the value; empty: nothing.
    """

    name: str
    symbol: str
    kind: type[float] | type[int] | type[bool]
    default: float | bool | None
    label: str
    text: str
    of_concept: bool = True
    applying: bool = True
    recommended: bool = False
    least: float | None = None
    below: float | None = None
    most: float | None = None
    remedy: str = ""

    @property
    def option(self) -> str:
        """Its option on the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def range(self) -> str:
        """Its values in words, such as `in [0, 1)`; empty if all are allowed."""
        if self.below is not None:
            return f"in [{self.least:g}, {self.below:g})"
        if self.most is not None:
            return f"in [{self.least:g}, {self.most:g}]"
        return "" if self.least is None else f"at least {self.least:g}"

    @property
    def help(self) -> str:
        """Its symbol, range and text in a line."""
        mark = f"{self.symbol} {self.range}".strip() if self.kind is float else self.symbol
        return f"{mark}: {self.text}" if mark else f"{self.text[0].upper()}{self.text[1:]}"

    def check(self, value: Any) -> Any:
        """The value as Python's own float, int or bool; None if that is the default, too.

        Raises:
            InvalidInputError: It is of another kind, or out of range.
        """
        if value is None and self.default is None:
            return None
        if self.kind is bool:
            if value not in (True, False):
                raise InvalidInputError(f"{self.name} must be true or false, met {value!r}.")
            return bool(value)
        if self.kind is int:
            return rules.integer(self.name, value)
        number = rules.finite(self.name, value)
        fits = (
            (self.least is None or number >= self.least)
            and (self.below is None or number < self.below)
            and (self.most is None or number <= self.most)
        )
        if not fits:
            raise InvalidInputError(f"{self.name} must be {self.range}, met {value!r}{self.remedy}.")
        return number


EDIT_PARAMETERS = (
    EditParameter("edit_guidance_scale", "s_e", float, 5.0, "Scale", "the strength of the edit.", recommended=True),
    EditParameter(
        "edit_threshold",
        "λ",
        float,
        0.95,
        "Threshold",
        "the share of entries, in each channel and step, that is left alone; 0.95 edits the strongest 5%.",
        recommended=True,
        least=0.0,
        below=1.0,
        remedy=": it is the share of entries left out, 0.95 keeps the strongest 5% of each channel",
    ),
    EditParameter(
        "edit_warmup_steps",
        "δ",
        int,
        None,
        "Warm-up",
        "the number of first steps that are not guided; by default a fifth of the run's steps.",
        recommended=True,
        least=0,
    ),
    EditParameter(
        "edit_cooldown_steps",
        "",
        int,
        None,
        "Cool-down",
        "the step from which on the run is no longer guided; without it, the run is guided to its end.",
        least=0,
    ),
    EditParameter("reverse_editing_direction", "", bool, False, "Reverse", "true: guide away from the concept."),
    EditParameter(
        "edit_weight",
        "g_i",
        float,
        1.0,
        "Weight",
        "the weight of this concept among several.",
        least=0.0,
        remedy=". To guide away from the concept, set reverse_editing_direction=True",
    ),
    EditParameter(
        "keep_threshold",
        "λ",
        float,
        None,
        "Keep threshold",
        "the threshold of what is stored. A vector can be applied at any edit threshold from here up; by default"
        " the edit threshold, but at most 0.9.",
        applying=False,
        least=0.0,
        below=1.0,
    ),
    EditParameter(
        "edit_momentum_scale",
        "s_m",
        float,
        0.1,
        "Momentum scale",
        "how much of the momentum, which carries the edit from step to step, is added.",
        of_concept=False,
    ),
    EditParameter(
        "edit_mom_beta",
        "β_m",
        float,
        0.4,
        "Momentum beta",
        "how slowly the momentum changes.",
        of_concept=False,
        least=0.0,
        most=1.0,
        remedy=": it is the momentum's decay",
    ),
)

BY_NAME = {parameter.name: parameter for parameter in EDIT_PARAMETERS}
OF_CONCEPT = tuple(parameter for parameter in EDIT_PARAMETERS if parameter.of_concept)
OF_RUN = tuple(parameter for parameter in EDIT_PARAMETERS if not parameter.of_concept)
RECOMMENDED = tuple(parameter.name for parameter in EDIT_PARAMETERS if parameter.recommended)
