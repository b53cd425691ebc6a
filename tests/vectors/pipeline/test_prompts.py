"""Texts that a text encoder would cut."""

import pytest

from sega_vectors import InvalidInputError, check_prompt
from tests.vectors.tiny import stable_diffusion, stable_diffusion_xl


@pytest.mark.parametrize("make", [stable_diffusion, stable_diffusion_xl])
def test_what_fits_passes_and_what_is_cut_is_said(make: object) -> None:
    pipe = make()  # type: ignore[operator]
    check_prompt(pipe, "x" * 30)
    with pytest.raises(InvalidInputError, match=r"may have 32 tokens .* has 35: 'yzz' would be cut, shorten it"):
        check_prompt(pipe, "x" * 30 + "yzz")
