"""Checks the shape annotations of the guidance maths while the tests run; an object store for tests of libraries."""

from collections.abc import Iterator

import pytest
from jaxtyping import install_import_hook

from tests.store.servers import Proxy, moto, proxied

install_import_hook(["sega_vectors.guidance"], "beartype.beartype")


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
