"""Checks the shape annotations of the guidance maths while the tests run."""

from jaxtyping import install_import_hook

install_import_hook(["sega_vectors.guidance"], "beartype.beartype")
