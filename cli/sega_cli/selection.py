"""Which vectors a command is about: REFs, also from standard input, and conditions that they must meet."""

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from sega_cli.options import Digits, Seeds, Text, grouped

if TYPE_CHECKING:
    from sega_store import Library

STDIN = "-"
Conditions = Mapping[str, Any]

# The conditions that are given as the mapping `conditions`: arguments of `sega_store.library.selection.Selection`.
selection_options = grouped(
    "conditions",
    click.option("--concept", type=Text(), help="Only vectors of this concept."),
    click.option("--tag", type=Text(), help="Only vectors with this tag."),
    click.option("--noise", type=Digits(), help="Only vectors of the initial noise whose hash begins so."),
    click.option("--seed", type=Seeds(), help="Only vectors of these seeds: 7, 1,2,5 or 0..9."),
    click.option("--model", type=Text(), help="Only vectors recorded with this model."),
    click.option(
        "--since",
        type=click.DateTime(["%Y-%m-%d", "%Y-%m", "%Y", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
        metavar="TIME",
        help="Only vectors recorded since this day or time in UTC, such as 2026-01-31 or 2026-01-31T12:30.",
    ),
    seed="seeds",
)

# Which of a concept's vectors a REF means.
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), help="The seed, if REF is a concept that was recorded at several."
)


def chosen(store: "Library", refs: Iterable[str], conditions: Conditions) -> list[str]:
    """What REFs and conditions choose, for functions that take REFs; empty if there are neither: all.

    Without conditions each REF is passed on as it is. With them these are the ids of the vectors that meet all, newest
    first; a REF may then name several, such as all of a concept.

    Args:
        store: Where the vectors are.
        refs: The REFs; `-` stands for those on standard input.
        conditions: What `selection_options` gives.

    Raises:
        UnknownRefError: A REF names nothing, or nothing is chosen, which isn't all.
    """
    from sega_store import UnknownRefError
    from sega_store.library.selection import Selection

    given = tuple(refs)
    named = [ref for one in given for ref in (_read_refs() if one == STDIN else [one])]
    if given and not named:
        raise UnknownRefError("REFs are read from standard input, one a line, and it has none: nothing is chosen.")
    if not conditions:
        return named
    meant = {entry.id for ref in named for entry in store.catalogue.lookup(ref) or [store.entry(ref)]}
    met = [entry.id for entry in store.catalogue.page(Selection(**conditions)) if not named or entry.id in meant]
    if not met:
        raise UnknownRefError(f"No vector of {store.where} is chosen: none meets all conditions. See sega-vec ls.")
    return met


def _read_refs() -> list[str]:
    """The REFs on standard input, one a line; what follows a tab is left out, so the columns of `ls` do."""
    text = "" if sys.stdin is None else sys.stdin.buffer.read().decode(sys.stdin.encoding, "replace")
    return [ref for line in text.splitlines() if (ref := line.partition("\t")[0].strip())]
