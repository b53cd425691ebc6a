"""What was measured of transfer, as figures, as lines of text, and as one picture."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sega_cli.printing.grid import Row, Section, draw_grid
from sega_cli.printing.terminal import size
from sega_vectors.judging.rates import wilson
from sega_vectors.judging.trials import KINDS, Kind, Outcome, Transfer

if TYPE_CHECKING:
    from PIL.Image import Image

_GREEN, _RED = (28, 110, 70), (150, 60, 50)
_Measured = Mapping[str, Transfer]  # by concept


def rates(prompts: Sequence[str], measured: _Measured) -> dict[str, dict[str, Any]]:
    """By concept and kind: in how many pictures of the prompts that were not recorded on the concept is shown, of how
    many, the rate and its 95% interval."""

    def of_targets(outcome: Outcome) -> dict[str, Any]:
        found = outcome.found.reshape(-1, len(prompts))[:, 1:]
        shown, of = int(found.sum()), found.size
        return {"shown": shown, "of": of, "rate": shown / of, "interval": wilson(shown, of)}

    return {text: {kind: of_targets(one.outcomes[kind]) for kind in KINDS} for text, one in measured.items()}


def rows_per_picture(measured: _Measured) -> dict[Kind, float]:
    """The price of a picture of each kind."""
    outcomes = {kind: [one.outcomes[kind] for one in measured.values()] for kind in KINDS}
    return {kind: sum(o.rows for o in found) / sum(len(o.pictures) for o in found) for kind, found in outcomes.items()}


def lines(prompts: Sequence[str], measured: _Measured, sizes: Mapping[str, int]) -> Iterator[str]:
    """The figures for people: success, price, sizes."""
    noises = len(next(iter(measured.values())).vectors)
    yield f'Recorded on "{prompts[0]}", applied to {len(prompts) - 1} other prompts, from {noises} initial noises.'
    yield "Pictures of the other prompts that show the concept, by the judge (and the 95% interval of the rate):"
    yield ""
    yield (" " * 12 + "".join(f"{kind:<25}" for kind in KINDS)).rstrip()
    for concept, row in rates(prompts, measured).items():
        yield (f"  {concept:<10}" + "".join(f"{_cell(**row[kind]):<25}" for kind in KINDS)).rstrip()
    yield ""
    yield "Denoiser rows per picture: " + ", ".join(f"{kind} {n:g}" for kind, n in rows_per_picture(measured).items())
    for concept, one in measured.items():
        own, vector = [sizes[vector.id] for vector in one.vectors], one.vectors[0]
        dense = vector.packed.size * vector.values.itemsize
        yield f"Vector files of {concept}: {size(min(own))} to {size(max(own))}, dense {size(dense)}"


def _cell(shown: int, of: int, rate: float, interval: tuple[float, float]) -> str:
    return f"{rate:.2f}  {shown}/{of} ({interval[0]:.2f}-{interval[1]:.2f})"


def picture(prompts: Sequence[str], seeds: Sequence[int], measured: _Measured) -> "Image":
    """All runs of the first recording on one page: at its own noise above, at the other below."""
    seed, other, *_ = seeds
    first, *targets = prompts

    def rows(noise: int, kind: Kind, note: str) -> list[Row]:
        part = slice(noise * len(prompts), (noise + 1) * len(prompts))
        plain = next(iter(measured.values())).outcomes["plain"]
        applied = [
            Row(f"+ {text}", note, one.outcomes[kind].pictures[part], one.outcomes[kind].found[part].tolist())
            for text, one in measured.items()
        ]
        return [Row("plain", "no vector", plain.pictures[part]), *applied]

    return draw_grid(
        "Recorded once, applied to other prompts",
        [
            f"Each vector was recorded once, on the first column's prompt from seed {seed}, and added to the runs of"
            " the others at the price of a plain run.",
            "A green frame: the judge finds the concept in the picture.",
        ],
        [f"{first} (recorded on)", *targets],
        [
            Section(f"the same initial noise (seed {seed})", _GREEN, rows(0, "same noise", "the vector, applied")),
            Section(
                f"control: another initial noise (seed {other})",
                _RED,
                rows(1, "other noise", "the same vector, applied"),
            ),
        ],
    )
