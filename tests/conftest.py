"""Checks the shape annotations of the modules that do array maths while the tests run."""

from jaxtyping import install_import_hook

install_import_hook(["sega_vectors.guidance", "sega_store.dtypes", "sega_store.tails"], "beartype.beartype")
