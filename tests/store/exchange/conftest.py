"""A library to be exported, and one to be imported to."""

from pathlib import Path
from typing import Any

import pytest

from sega_store import Library
from sega_store.exchange.parcel import parcel_of
from tests.store.samples import PREVIEW, RECOMMENDED, noise, of_no_noise, provenance, vector


@pytest.fixture
def full(library: Library) -> Library:
    """Vectors of each dtype, with and without noise, preview and annotation."""
    for dtype in ("float32", "float16", "bfloat16"):
        library.add(vector(dtype, dtype=dtype, facts=provenance(noise(dtype=dtype))), noise(dtype=dtype))
    library.add(vector("smile", shape=(3, 2, 2, 4, 4)).with_preview(PREVIEW), noise(), name="my smile")
    library.annotate("smile", tags=["b", "a"], rating=4, notes="two\nlines, ünïcode")
    library.add(vector("empty", kept=0, facts=provenance(noise(8))))
    library.annotate(library.add(of_no_noise("distilled")), recommended=RECOMMENDED)
    return library


@pytest.fixture
def empty(tmp_path: Path) -> Library:
    return Library(tmp_path / "empty")


def said(library: Library) -> dict[str, tuple[Any, ...]]:
    """All that a library holds, by id."""
    rows = {
        row.id: (row.name, row.tags, row.rating, row.notes, library.recommended(row.id)) for row in library.search()
    }
    parcels = [parcel_of(library.files, identity) for identity in library]
    return {p.vector.id: (p.vector.provenance, p.noise, p.noise and p.noise.facts, rows[p.vector.id]) for p in parcels}
