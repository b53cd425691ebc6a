from pathlib import Path

from sega_store import Library
from sega_store.exchange import folder
from sega_store.exchange.parcel import Parcel
from sega_store.records.annotation import Annotation
from tests.store.samples import noise, vector

PARCELS = [Parcel(vector("glasses"), noise(), Annotation("mine")), Parcel(vector("smile"), noise())]


def test_a_folder_is_a_library(tmp_path: Path) -> None:
    folder.write(tmp_path / "out", PARCELS)
    library = Library(tmp_path / "out")
    assert library["mine"] == vector("glasses")
    assert library["smile"] == vector("smile")
    assert library.noise("smile") == noise()
    assert library.verify().files == 4


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    folder.write(tmp_path / "out", PARCELS)
    for name in ("README", "vectors/README", "vectors/00", ".x.tmp"):
        path = tmp_path / "out" / name
        if not path.exists():
            path.write_text("x")
    assert {parcel.vector.id for parcel in folder.read(tmp_path / "out")} == {p.vector.id for p in PARCELS}
