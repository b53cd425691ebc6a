"""SEGA's edit parameters as options: one value for all concepts, or one for each in their order."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from sega_cli.options import Decorator, grouped, spread

Edits = Mapping[str, Sequence[Any]]


def _option(name: str, kind: type, text: str, *, multiple: bool) -> Decorator:
    return click.option(f"--{name.replace('_', '-')}", name, type=kind, multiple=multiple, help=text)


_EDITS = [
    _option(name, kind, text, multiple=True)
    for name, kind, text in (
        ("edit_guidance_scale", float, "s_e: the strength of the edit."),
        ("edit_threshold", float, "λ in [0, 1): the share of entries, in each channel, that is left alone."),
        ("edit_warmup_steps", int, "δ: the number of first steps that are not guided."),
        ("edit_cooldown_steps", int, "The step from which on the run is no longer guided."),
        ("reverse_editing_direction", bool, "true: guide away from the concept."),
        ("edit_weight", float, "g_i: the weight of this concept among several."),
    )
]
_KEEP = _option(
    "keep_threshold", float, "λ of what is kept, for stricter ones later.  [default: at most 0.9]", multiple=True
)

# Every edit parameter as the mapping `edits`, each a tuple of the values that were given.
edit_options = grouped("edits", *_EDITS)
recording_options = grouped("edits", *_EDITS, _KEEP)

# The mapping `momentum`, one value each for a whole run.
momentum_options = grouped(
    "momentum",
    _option("edit_momentum_scale", float, "s_m: how much of the momentum is added.", multiple=False),
    _option("edit_mom_beta", float, "β_m: how slowly the momentum changes.", multiple=False),
)


def per_concept(edits: Edits, count: int, of: str) -> list[dict[str, Any]]:
    """The parameters that were given, for each of `count` concepts or vectors (`of`: which, in the plural)."""
    columns = {name: spread(values, count, f"--{name.replace('_', '-')}", of) for name, values in edits.items()}
    return [{name: column[i] for name, column in columns.items()} for i in range(count)]
