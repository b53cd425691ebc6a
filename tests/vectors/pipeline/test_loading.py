"""Loading models from folders, and what is refused."""

import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

from sega_vectors import InvalidInputError, PipelineError, load_pipeline
from tests.vectors.tiny import stable_diffusion


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    stable_diffusion().save_pretrained(path)
    return path


def test_a_folder_is_loaded_by_from_pretrained(folder: Path) -> None:
    pipe = load_pipeline(str(folder), device="cpu")
    expected = stable_diffusion()
    call = {"prompt": "a king", "num_inference_steps": 2, "output_type": "latent"}
    ours, theirs = (p(**call, generator=torch.Generator().manual_seed(0)).images for p in (pipe, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()))
    weights, expected_weights = pipe.unet.state_dict(), expected.unet.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in expected_weights.items())
    assert load_pipeline(str(folder), device="cpu", dtype="bfloat16").unet.dtype == torch.bfloat16


def test_the_home_folder_may_be_a_tilde(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    weight = load_pipeline(f"~/{folder.name}", device="cpu").unet.conv_in.weight
    assert torch.equal(weight, stable_diffusion().unet.conv_in.weight)


def test_a_pickle_is_refused(folder: Path, tmp_path: Path) -> None:
    stable_diffusion().save_pretrained(tmp_path, safe_serialization=False)
    with pytest.raises(PipelineError, match=r"weights must be safetensors.*\.bin"):
        load_pipeline(str(tmp_path), device="cpu")


def test_an_unknown_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(PipelineError, match="'no/such-model' could not be loaded"):
        load_pipeline("no/such-model", device="cpu")
    with pytest.raises(PipelineError, match=r"must hold model_index\.json"):
        load_pipeline(str(tmp_path), device="cpu")


def test_unknown_device_and_dtype(folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="device must be auto, cpu"):
        load_pipeline(str(folder), device="toaster")
    with pytest.raises(InvalidInputError, match="dtype must be auto, float32"):
        load_pipeline(str(folder), dtype="int4")
    if not torch.cuda.is_available():
        with pytest.raises(PipelineError, match="available device, met cuda"):
            load_pipeline(str(folder), device="cuda")


@pytest.fixture
def cached(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The snapshot of a Hub model, `somebody/model`, in a cache of the Hub's library, which may ask nobody."""
    snapshot = tmp_path / "models--somebody--model" / "snapshots" / ("0" * 40)
    shutil.copytree(folder, snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(snapshot.name)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return snapshot


def test_a_model_of_the_hub_keeps_its_name(cached: Path) -> None:
    pipe = load_pipeline("somebody/model", device="cpu")
    assert pipe.config["_name_or_path"] == "somebody/model"


def test_a_model_of_the_hub_is_checked_as_a_folder(cached: Path) -> None:
    (cached / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text('{"weight_map": {"x": "x.bin"}}')
    with pytest.raises(PipelineError, match=r"met 'x\.bin'"):
        load_pipeline("somebody/model", device="cpu")
    (cached / "model_index.json").write_text('{"_class_name": ["lpw_stable_diffusion", "X"]}')
    with pytest.raises(PipelineError, match="must be a pipeline of diffusers"):
        load_pipeline("somebody/model", device="cpu")


def test_the_hub_is_reachable_again_after_loading(folder: Path, tmp_path: Path) -> None:
    before = huggingface_hub.constants.HF_HUB_OFFLINE
    load_pipeline(str(folder), device="cpu")
    with pytest.raises(PipelineError):
        load_pipeline(str(tmp_path), device="cpu")
    assert before == huggingface_hub.constants.HF_HUB_OFFLINE


def test_a_full_memory_is_not_the_models_fault(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(torch.nn.Module, "named_parameters", full)
    with pytest.raises(MemoryError):
        load_pipeline(str(folder), device="cpu")
