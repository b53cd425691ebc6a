"""The edit parameters that a library recommends for a vector; a damaged recommendation is reported and ignored."""

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any

from sega_cli.generating.defaults import moved_warmup
from sega_cli.printing.report import Report
from sega_cli.printing.terminal import clean

if TYPE_CHECKING:
    from sega_store import GuidanceVector, Library, Recommendation


def recommended_of(store: "Library", identity: str, report: Report) -> "Recommendation | None":
    """The recommendation for a vector, if there is a readable one."""
    from sega_store import VectorFileError

    try:
        return store.recommended(identity)
    except VectorFileError as error:
        report.note(f"damaged: {clean(str(error))}")
        return None


def recommended_edits(
    store: "Library", vector: "GuidanceVector", ref: str, given: Container[str], steps: int | None, report: Report
) -> dict[str, Any]:
    """The recommended edit parameters that the command line doesn't give; a note lists them.

    Args:
        ref: The vector's REF on the command line.
        given: The names of the parameters that the command line gives.
        steps: The run's num_inference_steps, None: as recorded. A recommended warm-up is scaled to the same share.
    """
    recommended = recommended_of(store, vector.id, report)
    parameters = recommended.parameters if recommended else {}
    taken = {name: value for name, value in parameters.items() if name not in given}
    if taken:
        report.note(f"{clean(ref)} has as recommended {_listed(taken)}")
    if steps is not None and "edit_warmup_steps" in taken:
        of = vector.provenance.run.num_inference_steps
        taken["edit_warmup_steps"] = moved_warmup(taken["edit_warmup_steps"], of, steps)
    return taken


def describe(recommended: "Recommendation") -> str:
    """The parameters, and what was measured with them."""
    found = f"{recommended.shown}/{recommended.of} pictures, without it in {recommended.plain}/{recommended.of}"
    return f"{_listed(recommended.parameters)}: shown in {found}, by {clean(recommended.judge)}"


def _listed(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in parameters.items())
