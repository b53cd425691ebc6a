"""`sega-vec tune`: find the edit parameters that a vector works best with, and keep them with it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from sega_cli.generating.recommended import describe
from sega_cli.generating.tryout import Tryout, describe_success, success, tryout_options
from sega_cli.options import Place, on_library, open_library, pipeline_options
from sega_cli.printing.report import Report
from sega_cli.printing.table import print_rows
from sega_cli.printing.terminal import clean
from sega_cli.selection import seed_option

if TYPE_CHECKING:
    from sega_vectors.judging.tune import Tried

EXAMPLES = """\b
Examples:
  sega-vec tune glasses
  sega-vec tune glasses --edit-guidance-scale 10 --edit-guidance-scale 15 --edit-threshold 0.9 --edit-warmup-steps 2

\b
The recommended setting is the one that changes the pictures least among those whose success is within one standard
error of the best: at or above the lower end of the best one's Wilson interval with z = 1. Its success is measured on
the same pictures that it is chosen by, so it is somewhat optimistic. sega-vec apply uses the recommended values
unless others are given."""

_COLUMNS = ("edit_guidance_scale", "edit_threshold", "edit_warmup_steps", "shown", "change", "")
_SETTINGS = _COLUMNS[:3]


@click.command("tune", epilog=EXAMPLES)
@click.argument("ref")
@seed_option
@click.option("--edit-guidance-scale", type=float, multiple=True, help="s_e to try.  [default: 0.5 to 2 x recorded]")
@click.option("--edit-threshold", type=float, multiple=True, help="λ to try.  [default: kept, recorded, stricter]")
@click.option("--edit-warmup-steps", type=int, multiple=True, help="δ to try.  [default: 0, 1 and 2 x recorded]")
@click.option("--dry-run", is_flag=True, help="Keep nothing.")
@tryout_options
@pipeline_options(None)
@on_library
def command(
    ref: str,
    seed: int | None,
    edit_guidance_scale: tuple[float, ...],
    edit_threshold: tuple[float, ...],
    edit_warmup_steps: tuple[int, ...],
    dry_run: bool,
    tryout: Mapping[str, Any],
    model: str | None,
    yes: bool,
    device: str,
    dtype: str,
    library: Place,
    report: Report,
) -> None:
    """Find the edit parameters that the vector REF works best with.

    Scales, thresholds and warm-ups are tried in all combinations on other prompts, from the vector's initial noise. A
    judge tells how often the concept appears, the pixels how much changes. The recommendation is kept with the vector.
    """
    from sega_store import InvalidInputError, Recommendation

    store = open_library(library)
    vector = store[store.resolve(ref, seed)]
    if vector.concept.reverse_editing_direction:
        raise InvalidInputError(
            f"tuning makes a concept appear more often, and {ref} guides away from {vector.concept.text!r}: tune a"
            " vector that guides towards it"
        )
    from sega_vectors.provenance.gate import check_named

    check_named(vector)
    noise = store.noise(vector.id)
    asked = Tryout.of(vector, model, **tryout)
    from sega_vectors.judging.tune import recommend, settings, tune

    edits = settings(vector, edit_guidance_scale, edit_threshold, edit_warmup_steps)
    document: dict[str, Any] = {
        "id": vector.id, "judge": asked.judge, "prompts": list(asked.prompts), "noises": [noise.facts.to_json()],
        "plain": None, "tried": [], "recommended": None, "kept": False,
    }  # fmt: skip

    def each(one: "Tried") -> None:
        document["tried"].append({**one.edit, **success(one.shown, one.of), "change": one.change})

    with report.answer(document):
        trials = asked.open(vector, noise, device, dtype, report, fetch=yes or model is not None)
        with report.progress("picture", trials.size * (1 + len(edits))) as step:
            plain, tried = tune(trials, vector, edits, step, each)
        document["plain"] = success(plain.shown, trials.size)
        best, recommended = recommend(tried), None
        if best.shown > plain.shown:
            counts = {"shown": best.shown, "plain": plain.shown, "of": best.of}
            recommended = Recommendation(**best.edit, judge=asked.judge or "", **counts)
            document["recommended"] = recommended.to_json()
            if not dry_run:
                store.annotate(vector.id, recommended=recommended)
                document["kept"] = True
        rows = [_cells(one, recommended is not None and one is best) for one in tried]
        print_rows(report, _COLUMNS, rows, _COLUMNS[:5])
        if recommended is None:
            report.item(
                f"nothing to recommend: no setting shows it more often than the {plain.shown}/{trials.size} without"
            )
        else:
            report.item(f"{clean(ref)}: {describe(recommended)}", bare=vector.id)


def _cells(one: "Tried", chosen: bool) -> Sequence[str]:
    parameters = (f"{one.edit[name]:g}" for name in _SETTINGS)
    return *parameters, describe_success(one.shown, one.of), f"{one.change:.4f}", "recommended" if chosen else ""
