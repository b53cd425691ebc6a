"""`sega-vec distil`: make one vector of many, which belongs to no single noise, and measure how often it works."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from sega_cli.generating.defaults import defaults_of
from sega_cli.generating.setup import model_name
from sega_cli.generating.tryout import Tryout, describe_success, success, tryout_options
from sega_cli.options import Place, Seeds, Text, library_option, pipeline_options, reporting
from sega_cli.printing.report import Report
from sega_cli.printing.terminal import clean

if TYPE_CHECKING:
    from sega_store import GuidanceVector, Library
    from sega_vectors.judging.trials import Trials

EXAMPLES = """\b
Examples:
  sega-vec distil glasses
  sega-vec distil glasses --method stable --name "any glasses" --seed 5 --to-prompt "a cartoon of a king"

\b
mean: of the values. stable: the mean, where at least half of the vectors act. sign_vote: the mean of those that agree,
where at least half act in one direction. principal: the mean, projected onto the first principal component. All are cut
to as many entries as a recording keeps, and brought to the energy of one. Without a judge, as for other models than the
embedded one unless --judge is given, nothing is measured."""

METHODS = ("mean", "stable", "sign_vote", "principal")


@click.command("distil", epilog=EXAMPLES)
@click.argument("concept", type=Text())
@click.option("--method", type=click.Choice(METHODS), default="mean", show_default=True, help="See below.")
@click.option("--name", type=Text(), help="A name for it in the library.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many vectors, the newest.  [default: all]")
@click.option(
    "--seed", type=Seeds(), default="1001..1003", show_default=True, help="Initial noises to measure it at; new ones."
)
@click.option("--edit-guidance-scale", type=float, help="s_e to measure it with.  [default: the model's, as recorded]")
@tryout_options
@pipeline_options(None)
@library_option
@reporting
def command(
    concept: str,
    method: str,
    name: str | None,
    limit: int | None,
    seed: tuple[int, ...],
    edit_guidance_scale: float | None,
    tryout: Mapping[str, Any],
    model: str | None,
    device: str,
    dtype: str,
    library: Place,
    report: Report,
) -> None:
    """Make a vector of CONCEPT that belongs to no single noise.

    It is distilled from the library's recordings of one model, as many as agree in size, steps and parameters with the
    newest. How often it shows the concept at other noises is measured, and kept in its notes.
    """
    from sega_store import Library
    from sega_store.records.distil import METHODS as by_name

    store = Library(library)
    parents, left_out = _recordings(store, concept, model, limit)
    vector = by_name[method](parents)
    asked = Tryout.of(vector, model, **tryout)
    trials = None if asked.judge is None else asked.open(vector, None, seed, device, dtype, report)
    if trials is not None:
        _check_new(trials, seed, parents)
    identity = store.add(vector, name=name)
    for reason, count in left_out.items():
        report.note(f"left out {count} of another {reason} than the newest")
    made = f"{clean(concept)}  {method} of {len(parents)}, {vector.nnz} entries"
    report.item(f"{store.short(identity)}  {made}", bare=identity)
    measured = None
    if trials is not None:
        measured = _measure(trials, vector, asked, edit_guidance_scale, seed, report)
        said = store.entry(identity).notes
        if measured["note"] not in said.splitlines():
            store.annotate(identity, notes="\n".join(filter(None, (said, measured["note"]))))
    parent_ids = [parent.id for parent in parents]
    report.document({"id": identity, "name": name, "method": method, "parents": parent_ids, "measured": measured})


def _recordings(
    store: "Library", concept: str, model: str | None, limit: int | None
) -> "tuple[list[GuidanceVector], Counter[str]]":
    """The recordings that agree with the newest, newest first; and how many others there are, by what differs."""
    from sega_store import UnknownRefError
    from sega_store.records.distil import difference

    vectors: list[GuidanceVector] = []
    left_out: Counter[str] = Counter()
    for entry in store.search(concept=concept, model=model and model_name(model)):
        vector = store[entry.id]
        if vector.provenance.derived_from or len(vectors) == limit:
            continue
        differs = difference(vectors[0], vector) if vectors else None
        if differs is None:
            vectors.append(vector)
        else:
            left_out[differs] += 1
    if not vectors:
        of = f" of the model {model}" if model else ""
        raise UnknownRefError(
            f"{store.where} holds no recording of {concept!r}{of}: record it at several noises, such as --seed 0..15"
        )
    return vectors, left_out


def _check_new(trials: "Trials", seeds: Sequence[int], parents: "Sequence[GuidanceVector]") -> None:
    """Refuse to measure at a noise that the vector was made from: it would say nothing of others."""
    from sega_store import InvalidInputError

    known = {parent.provenance.noise.sha256 for parent in parents}
    if met := [str(seed) for seed, noise in zip(seeds, trials.noises, strict=True) if noise.sha256 in known]:
        raise InvalidInputError(
            f"a distilled vector is measured at noises that it wasn't made from, met those of --seed {','.join(met)}:"
            " leave them out"
        )


def _measure(
    trials: "Trials", vector: "GuidanceVector", asked: Tryout, scale: float | None, seeds: Sequence[int], report: Report
) -> dict[str, Any]:
    """How often the concept appears with the vector and without: printed, and as JSON."""
    from tqdm import tqdm

    scale = scale if scale is not None else defaults_of(asked.model).apply_scale
    scale = scale if scale is not None else vector.concept.edit_guidance_scale
    with tqdm(total=2 * trials.size, unit="picture", disable=not report.bars) as bar:
        plain = trials.run(progress=bar.update)
        applied = trials.run(vector, {"edit_guidance_scale": scale}, bar.update)
    note = (
        f"Distilled; at {len(trials.noises)} other noises, on {len(trials.prompts)} prompts, at edit_guidance_scale"
        f" {scale:g}: shown in {describe_success(applied.shown, trials.size)}, without it in"
        f" {describe_success(plain.shown, trials.size)}, by {asked.judge}."
    )
    report.item(note)
    return {
        "judge": asked.judge, "prompts": list(trials.prompts), "seeds": list(seeds), "edit_guidance_scale": scale,
        "with": success(applied.shown, trials.size), "plain": success(plain.shown, trials.size), "note": note,
    }  # fmt: skip
