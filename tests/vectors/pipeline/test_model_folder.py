"""What a model folder may hold; what is refused is in tests/cli/test_model_folders.py."""

import json
import shutil
from pathlib import Path

import pytest
from diffusers import ControlNetModel, MultiControlNetModel, StableDiffusionControlNetPipeline
from transformers import CLIPImageProcessorPil

from sega_vectors import PipelineError, load_pipeline
from sega_vectors.pipeline.model_folder import INDEX, check_folder, check_index
from tests.vectors.families import FAMILIES
from tests.vectors.tiny import stable_diffusion


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_passes(family: str, tmp_path: Path) -> None:
    pipe = FAMILIES[family].build()
    pipe.save_pretrained(tmp_path)
    check_folder(tmp_path)
    assert set(check_index(tmp_path / INDEX)) == {name for name, part in pipe.components.items() if part is not None}


def test_the_name_of_a_class_in_older_models_passes(tmp_path: Path) -> None:
    pipe = stable_diffusion()
    pipe.register_modules(feature_extractor=CLIPImageProcessorPil(size=8, crop_size=8))
    pipe.save_pretrained(tmp_path)
    index = json.loads((tmp_path / INDEX).read_text())
    index["feature_extractor"] = ["transformers", "CLIPFeatureExtractor"]
    (tmp_path / INDEX).write_text(json.dumps(index))
    assert isinstance(load_pipeline(str(tmp_path), device="cpu").feature_extractor, CLIPImageProcessorPil)


def test_shards_pass(tmp_path: Path) -> None:
    pipe = stable_diffusion()
    pipe.save_pretrained(tmp_path)
    (tmp_path / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    pipe.unet.save_pretrained(tmp_path / "unet", max_shard_size="20KB")
    assert len(list((tmp_path / "unet").glob("*.safetensors"))) > 1
    assert load_pipeline(str(tmp_path), device="cpu").unet.num_parameters() == pipe.unet.num_parameters()


def test_several_controlnets_are_checked(tmp_path: Path) -> None:
    """Those after the first lie in folders that the index doesn't name."""
    pipe = stable_diffusion()
    nets = MultiControlNetModel([ControlNetModel.from_unet(pipe.unet) for _ in range(2)])
    StableDiffusionControlNetPipeline(**pipe.components, controlnet=nets).save_pretrained(tmp_path)
    assert len(load_pipeline(str(tmp_path), device="cpu").controlnet.nets) == 2
    shards = tmp_path / "controlnet_1" / "diffusion_pytorch_model.safetensors.index.json"
    shards.write_text('{"weight_map": {"x": "x.bin"}}')
    with pytest.raises(PipelineError, match=r"controlnet_1.*met 'x\.bin'"):
        check_folder(tmp_path)


def test_a_snapshot_of_the_hubs_cache_links_to_its_blobs_only(tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "models--a--b" / "snapshots" / "abc", tmp_path / "models--a--b" / "blobs"
    stable_diffusion().save_pretrained(snapshot)
    blobs.mkdir()
    for number, file in enumerate([path for path in snapshot.rglob("*") if path.is_file()]):
        shutil.move(file, blobs / str(number))
        file.symlink_to(blobs / str(number))
    load_pipeline(str(snapshot), device="cpu")
    (tmp_path / "link").symlink_to(snapshot)
    load_pipeline(str(tmp_path / "link"), device="cpu")
    other = snapshot.with_name("def")
    shutil.move(snapshot / "unet", other)
    (snapshot / "unet").symlink_to(other)
    with pytest.raises(PipelineError, match="is a link out of it"):
        check_folder(snapshot)
