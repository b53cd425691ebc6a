"""`sega-vec compare`: how alike vectors are, step by step, and whether they can be applied together."""

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import click

from sega_cli.options import Place, on_library, open_library
from sega_cli.printing.report import Report
from sega_cli.printing.table import print_rows
from sega_cli.printing.terminal import clean, sparkline
from sega_cli.selection import seed_option

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

    from sega_store import GuidanceVector

EXAMPLES = """\b
Examples:
  sega-vec compare glasses smile
  sega-vec compare glasses smile --json

\b
cosine compares the values, from -1 to 1. overlap compares the supports (the entries that are kept), from 0 to 1
(Jaccard index). Each is a mean over the steps, followed by one bar per step; a full bar is 1, and the cosine's bars
ignore its sign. together says whether one run can use both vectors."""

_COLUMNS = ("first", "second", "cosine", "cosine by step", "overlap", "overlap by step", "together")
_BARS = 24


@click.command("compare", epilog=EXAMPLES)
@click.argument("refs", metavar="REF REF...", nargs=-1, required=True)
@seed_option
@on_library
def command(refs: tuple[str, ...], seed: int | None, library: Place, report: Report) -> None:
    """Compare the vectors REF with each other.

    Shows how alike the values and supports of every pair are, over the whole run and in each step.
    """
    if len(refs) < 2:
        raise click.UsageError(f"two or more vectors are compared, met one, {clean(refs[0])}: name another.")
    from sega_store.analysis.similarity import cosine, overlap

    store = open_library(library)
    vectors = [store[store.resolve(ref, seed)] for ref in refs]
    rows, pairs = [], []
    for (ref, vector), (other_ref, other) in combinations(zip(refs, vectors, strict=True), 2):
        cosines, overlaps = _known(cosine(vector, other)), _known(overlap(vector, other))
        differs = _differences(vector, other)
        together = f"no: another {', '.join(differs)}" if differs else "yes"
        rows.append((clean(ref), clean(other_ref), *_cells(cosines), *_cells(overlaps), together))
        pairs.append(
            {
                "first": vector.id, "second": other.id, "cosine": cosines, "mean_cosine": _mean(cosines),
                "overlap": overlaps, "mean_overlap": _mean(overlaps), "together": not differs, "differs": differs,
            }
        )  # fmt: skip
    print_rows(report, _COLUMNS, rows, ("cosine", "overlap"), ("first", "second"))
    report.document({"pairs": pairs})


def _differences(first: "GuidanceVector", second: "GuidanceVector") -> list[str]:
    """What prevents one run from using both vectors as they were recorded."""
    one, other = first.provenance, second.provenance
    facts = {"noise": (one.noise.sha256, other.noise.sha256), "model": (one.model.fingerprint, other.model.fingerprint)}
    return [name for name, (first_has, other_has) in facts.items() if first_has != other_has]


def _known(values: "Float[np.ndarray, 'T']") -> list[float | None]:
    """The values by step; None where a vector keeps nothing."""
    return [None if value != value else float(value) for value in values.tolist()]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _cells(values: Sequence[float | None]) -> tuple[str, Any]:
    """The mean over the steps that have a value, and a bar for each step."""
    mean = _mean(values)
    return "-" if mean is None else f"{mean:.2f}", sparkline([abs(value or 0) for value in values], _BARS, top=1)
