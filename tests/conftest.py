"""Checks the shape annotations of the guidance maths while the tests run, and lets torch use one thread.

Tiny models gain nothing from more, and beside other work their threads would mostly wait for each other.
"""

import os

from jaxtyping import install_import_hook

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported

install_import_hook(["sega_vectors.guidance"], "beartype.beartype")
