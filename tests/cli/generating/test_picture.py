"""PNG files with their provenance."""

from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from sega_cli.generating.picture import (
    picture_name,
    prepare_folder,
    recorded_facts,
    vector_facts,
    write_picture,
)
from tests.cli.provenance import read_provenance
from tests.cli.samples import make_vector


def test_a_picture_carries_its_provenance(tmp_path: Path) -> None:
    vector = make_vector("眼鏡")
    facts = recorded_facts("apply", vector.provenance, [vector_facts(vector, {"edit_guidance_scale": 7.5})])
    path = write_picture(tmp_path, Image.new("RGB", (4, 4), "red"), facts)
    assert read_provenance(path) == facts
    assert facts["run"]["prompt"] == "a portrait of a man"
    assert facts["noise"]["sha256"] == vector.provenance.noise.sha256
    assert facts["vectors"][0]["id"] == vector.id
    with Image.open(path) as image:
        assert isinstance(image, PngImageFile)
        assert image.getpixel((0, 0)) == (255, 0, 0)
        assert list(image.text) == ["sega_vectors"]


def test_names_tell_prompt_concepts_and_facts_apart() -> None:
    vector = make_vector()
    facts = recorded_facts("apply", vector.provenance, [vector_facts(vector, {})])
    other = recorded_facts("apply", vector.provenance, [vector_facts(vector, {"edit_weight": 2.0})])
    assert picture_name(facts).startswith("a-portrait-of-a-man.glasses.")
    assert picture_name(facts) != picture_name(other)
    assert picture_name(facts) == picture_name({**facts, "versions": {"diffusers": "newer"}})
    assert picture_name({**facts, "vectors": []}).startswith("a-portrait-of-a-man.plain.")


@pytest.mark.parametrize("prompt", ["../../etc/passwd", "/", "", "a" * 500, "nul\0", "..", "x\\y"])
def test_a_prompt_never_leads_out_of_the_folder(prompt: str) -> None:
    facts = {**recorded_facts("apply", make_vector().provenance, []), "run": {"prompt": prompt}}
    name = picture_name(facts)
    assert Path(name).name == name
    assert len(name) < 150
    assert not name.startswith(".")
    assert "\0" not in name


def test_a_picture_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_picture(tmp_path, Image.new("RGB", (4, 4)), {}, "x.png")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_met_early(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        prepare_folder(tmp_path / "file")
    with pytest.raises(OSError, match="file"):
        prepare_folder(tmp_path / "file" / "below")
    assert prepare_folder(tmp_path / "a" / "b").is_dir()


def test_other_pictures_have_no_provenance(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "x.png")
    with pytest.raises(ValueError, match="carries no provenance"):
        read_provenance(tmp_path / "x.png")
