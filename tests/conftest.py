"""Shape annotations are checked while the tests run, torch uses one thread, and there is an object store for libraries.

Tiny models gain nothing from more threads, and beside other work they would mostly wait for each other.
"""

import os
from collections.abc import Iterator

import pytest
from jaxtyping import install_import_hook

from tests.store.servers import Proxy, moto, proxied

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported

install_import_hook(["sega_vectors.maths.guidance"], "beartype.beartype")


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """The address of moto's server."""
    with moto() as address:
        yield address


@pytest.fixture
def s3(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before moto's server, and the environment that leads to it."""
    with proxied(moto_server, monkeypatch) as proxy:
        yield proxy
