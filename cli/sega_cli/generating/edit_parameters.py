"""SEGA's edit parameters as options: one value for all concepts, or one for each in their order."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from sega_cli.options import Decorator, grouped, spread
from sega_store.records.edit_parameters import BY_NAME, OF_CONCEPT, OF_RUN, EditParameter

Edits = Mapping[str, Sequence[Any]]


def _option(parameter: EditParameter) -> Decorator:
    return click.option(
        parameter.option,
        parameter.name,
        type=parameter.kind,
        multiple=parameter.of_concept,
        help=parameter.help,
    )


# Every edit parameter as the mapping `edits`, each a tuple of the values that were given.
edit_options = grouped("edits", *(_option(parameter) for parameter in OF_CONCEPT if parameter.applying))
recording_options = grouped("edits", *map(_option, OF_CONCEPT))

# The mapping `momentum`, one value each for a whole run.
momentum_options = grouped("momentum", *map(_option, OF_RUN))


def per_concept(edits: Edits, count: int, of: str) -> list[dict[str, Any]]:
    """The parameters that were given, for each of several concepts or vectors.

    Args:
        edits: The values of each parameter that the command line gives.
        of: What they are called in a message, in the plural.
    """
    columns = {name: spread(values, count, BY_NAME[name].option, of) for name, values in edits.items()}
    return [{name: column[i] for name, column in columns.items()} for i in range(count)]
