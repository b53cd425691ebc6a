"""Measurements of transfer as figures, as lines of text, and as one picture."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sega_cli.printing.grid import Row, Section, draw_grid
from sega_cli.printing.terminal import size
from sega_vectors.judging.judges import SHOWN
from sega_vectors.judging.rates import KINDS, Kind, Measured, wilson

if TYPE_CHECKING:
    from PIL.Image import Image

    from sega_store import GuidanceVector

_GREEN, _RED = (28, 110, 70), (150, 60, 50)


def rates(measured: Measured) -> dict[str, dict[str, Any]]:
    """How many pictures show the concept, of how many, the rate and its 95% interval, by concept and kind."""
    table: dict[str, dict[str, Any]] = {}
    for concept in measured.setting.concepts:
        table[concept.text] = {}
        for kind in KINDS:
            shown, of = measured.successes(kind, concept.text)
            table[concept.text][kind] = {"shown": shown, "of": of, "rate": shown / of, "interval": wilson(shown, of)}
    return table


def lines(measured: Measured, vectors: "Sequence[GuidanceVector]", sizes: Mapping[str, int]) -> Iterator[str]:
    """The figures for people: success, price, sizes."""
    setting, table = measured.setting, rates(measured)
    prompts, noises = len(setting.prompts) - 1, len(setting.seeds)
    yield f'Recorded on "{setting.prompts[0]}", applied to {prompts} other prompts, from {noises} initial noises.'
    yield "Pictures of the other prompts that show the concept, by the judge (and the 95% interval of the rate):"
    yield ""
    yield (" " * 12 + "".join(f"{kind:<25}" for kind in KINDS)).rstrip()
    for concept, row in table.items():
        yield (f"  {concept:<10}" + "".join(f"{_cell(**row[kind]):<25}" for kind in KINDS)).rstrip()
    yield ""
    yield "Denoiser rows per picture: " + ", ".join(f"{kind} {measured.rows_per_picture(kind):g}" for kind in KINDS)
    dense = vectors[0].support.size * vectors[0].values.itemsize
    for concept in table:
        own = [sizes[vector.id] for vector in vectors if vector.concept.text == concept]
        yield f"Vector files of {concept}: {size(min(own))} to {size(max(own))}, dense {size(dense)}"


def _cell(shown: int, of: int, rate: float, interval: tuple[float, float]) -> str:
    return f"{rate:.2f}  {shown}/{of} ({interval[0]:.2f}-{interval[1]:.2f})"


def picture(measured: Measured) -> "Image":
    """All runs of the first recording on one page: at its own noise above, at the other below."""
    setting = measured.setting
    seed = setting.seeds[0]
    other = setting.other(seed)
    texts = [concept.text for concept in setting.concepts]

    def rows(plain_seed: int, kind: Kind, note: str) -> list[Row]:
        plain = [measured.pictures["plain", "", plain_seed, prompt] for prompt in setting.prompts]
        applied = [
            Row(
                f"+ {text}",
                note,
                [measured.pictures[kind, text, seed, prompt] for prompt in setting.prompts],
                [measured.shows[kind, text, seed, prompt] > SHOWN for prompt in setting.prompts],
            )
            for text in texts
        ]
        return [Row("plain", "no vector", plain), *applied]

    first, *targets = setting.prompts
    return draw_grid(
        "Recorded once, applied to other prompts",
        [
            f"Each vector was recorded once, on the first column's prompt from seed {seed}, and added to the runs of"
            " the others at the price of a plain run.",
            "A green frame: the judge finds the concept in the picture.",
        ],
        [f"{first} (recorded on)", *targets],
        [
            Section(f"the same initial noise (seed {seed})", _GREEN, rows(seed, "same noise", "the vector, applied")),
            Section(
                f"control: another initial noise (seed {other})",
                _RED,
                rows(other, "other noise", "the same vector, applied"),
            ),
        ],
    )
