"""What all pages share."""

from dataclasses import replace

from sega_cli.browse.site import noise_name
from sega_store import Library
from tests.cli.samples import make_vector
from tests.store.samples import without_noise


def test_a_noise_is_called_by_its_seed_if_that_is_known(library: Library) -> None:
    entry = library.entry("glasses")
    assert noise_name(entry) == "seed 21"
    assert noise_name(replace(entry, seed=None)) == f"noise {entry.noise[:8]}"
    assert noise_name(library.entry(library.add(without_noise(make_vector("hat"))))) == "noise 00000000"
