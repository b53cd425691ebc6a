from pathlib import Path

import pytest

from sega_store import Library
from sega_store.places import layout
from tests.store.samples import noise, vector

SHA = "ab" * 32


def test_the_names_of_a_librarys_files(library: Library) -> None:
    library.add(vector(), noise(), name="mine")
    files = [key for kind in layout.KINDS for key in layout.keys(library.root, f"{kind}/")]
    assert [layout.kind_of(name) for name in files] == ["vectors", "noise", "annotations"]
    assert sorted(files) == sorted(
        path.relative_to(library.root).as_posix() for path in library.root.rglob("*") if path.is_file()
    )
    assert list(layout.keys(Path("nothing"), "vectors/")) == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        "vectors",
        f"vectors/ab/{SHA}.zarr.zip",
        f"noise/ab/{SHA}.{SHA}.zarr.zip",
        f"noise/cd/{SHA}.zarr.zip",
        f"noise/ab/{SHA}",
        f"noise/ab/{SHA}.zarr.zip.zarr.zip",
        f"noise/ab/../ab/{SHA}.zarr.zip",
        f"noise//ab/{SHA}.zarr.zip",
        f"/noise/ab/{SHA}.zarr.zip",
        f"noise/ab/{SHA}.zarr.zip\n",
        f"noise/ab/{SHA.upper()}.zarr.zip",
        f"annotations/ab/{SHA}.{SHA}.zarr.zip",
    ],
)
def test_other_names_are_none(name: str) -> None:
    assert layout.kind_of(name) is None
