"""What `record` and `apply` load beside a model: another scheduler, LoRAs, a variant, a picture to start from."""

import json
import shutil
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
from PIL import Image

from sega_store import Library
from tests.cli.checkpoint import save_checkpoint
from tests.cli.conftest import FEW, SegaVec
from tests.cli.samples import assert_alike

GLASSES = ("--concept", "glasses", "--no-preview")
APPLY = ("apply", "glasses", "--to-prompt", "a man")


@pytest.fixture(scope="session")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a LoRA for the tiny model."""
    import torch
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    from tests.vectors.tiny import stable_diffusion

    pipe = stable_diffusion()
    pipe.unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights="gaussian"))
    torch.manual_seed(0)
    for name, parameter in pipe.unet.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_()
    folder = tmp_path_factory.mktemp("lora")
    layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(pipe.unet))
    type(pipe).save_lora_weights(folder, unet_lora_layers=layers)
    return folder / "pytorch_lora_weights.safetensors"


def test_another_scheduler_is_recorded_and_missed(record: SegaVec, sega_vec: SegaVec, folder: Path) -> None:
    record(*GLASSES, "--scheduler", "EulerDiscreteScheduler")
    vector = Library(folder / "library")["glasses"]
    assert vector.provenance.scheduler.name == "EulerDiscreteScheduler"
    same = sega_vec(*APPLY, "--scheduler", "EulerDiscreteScheduler")
    assert "not exact" not in same.stderr
    other = sega_vec(*APPLY)
    assert "glasses is compatible, not exact: scheduler DDIMScheduler instead of EulerDiscreteScheduler" in other.stderr


def test_a_lora_is_recorded_and_missed(record: SegaVec, sega_vec: SegaVec, lora: Path, folder: Path) -> None:
    record(*GLASSES)
    plain = Library(folder / "library")["glasses"].provenance.model.fingerprint
    shutil.rmtree(folder / "library")
    record(*GLASSES, "--lora", f"{lora}:0.5", "--lora", str(lora.parent))
    assert Library(folder / "library")["glasses"].provenance.model.fingerprint != plain
    same = sega_vec(*APPLY, "--lora", f"{lora}:0.5", "--lora", str(lora))
    assert "not exact" not in same.stderr
    assert "(fingerprints differ)" in sega_vec(*APPLY, "--lora", str(lora)).stderr, "another weight"
    assert "(fingerprints differ)" in sega_vec(*APPLY).stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (("--scheduler", "FlowMatchEulerDiscreteScheduler"), 2, "take one of DDIMScheduler, DDPMScheduler, "),
        (("--scheduler", "Euler"), 2, "must fit the model's DDIMScheduler, met 'Euler'"),
        (("--lora", "pickled.bin"), 1, "a LoRA must be safetensors, since a pickle can run code"),
        (("--lora", "pickles"), 1, "a LoRA must be safetensors, since a pickle can run code"),
        (("--lora", "broken.safetensors:2"), 1, "could not be loaded into StableDiffusionPipeline: "),
        (("--lora", "foreign.safetensors"), 1, "none of its weights is for this model"),
        (("--variant", "fp16"), 1, "`variant=fp16`, but no such modeling files are available"),
        (("--arg", "clip_skip"), 2, "'clip_skip' names no argument and value: write key=value"),
        (("--arg", "clip_skip=x"), 2, "clip_skip of StableDiffusionPipeline must be int, met 'x'"),
        (("--height", "0"), 2, "x>=1"),
        (("--strength", "0"), 2, "0<x<=1"),
        (("--strength", "0.5"), 2, "give it with --image"),
        (("--image", "missing.png"), 2, "missing.png"),
    ],
)
def test_what_does_not_load_is_one_line(
    record: SegaVec, folder: Path, arguments: tuple[str, ...], exit_code: int, said: str
) -> None:
    import torch
    from safetensors.torch import save_file

    (folder / "pickles").mkdir()
    for name in ("pickled.bin", "pickles/pytorch_lora_weights.bin", "broken.safetensors"):
        (folder / name).write_text("x")
    save_file({"transformer.x.lora_A.weight": torch.zeros(2, 3)}, folder / "foreign.safetensors")
    result = record(*GLASSES, *arguments, exit_code=exit_code)
    assert said in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert not Library(folder / "library")


def test_a_variant_of_the_weights(sega_vec: SegaVec, folder: Path) -> None:
    from tests.vectors.tiny import stable_diffusion

    stable_diffusion().save_pretrained(folder / "model", variant="fp16")
    line = ("record", "a man", "--steps", "3", *GLASSES, "--model", str(folder / "model"))
    assert "could not be loaded" in sega_vec(*line, exit_code=1).stderr
    sega_vec(*line, "--variant", "fp16")
    sega_vec(*APPLY, "--variant", "fp16")


@pytest.fixture
def configured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the Hub's cache keeps the configuration of Stable Diffusion 1.5; nothing is fetched."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    repository = folder / "hub" / "models--stable-diffusion-v1-5--stable-diffusion-v1-5"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    return repository / "snapshots" / ("0" * 40)


def test_a_single_file(sega_vec: SegaVec, record: SegaVec, folder: Path, configured: Path) -> None:
    from tests.vectors.tiny import stable_diffusion

    pipe = stable_diffusion()
    save_checkpoint(pipe, folder / "tiny.safetensors")
    line = ("record", "a man", *FEW, *GLASSES, "--model", "tiny.safetensors")
    absent = " ".join(sega_vec(*line, exit_code=1).stderr.split())
    assert "looks like stable-diffusion-v1-5/stable-diffusion-v1-5, whose configuration is not on" in absent

    pipe.save_pretrained(configured)
    for weights in configured.rglob("*.safetensors"):
        weights.unlink()
    sega_vec(*line)
    library = Library(folder / "library")
    vector = library["glasses"]
    assert vector.provenance.model.id == str(folder / "tiny.safetensors")
    assert "not exact" not in sega_vec(*APPLY).stderr
    record(*GLASSES)
    assert list(library) == [vector.id], "the folder's weights are the same"
    assert "one variant" in sega_vec(*line, "--variant", "fp16", exit_code=1).stderr

    (folder / "tiny.safetensors").rename(folder / "tiny.ckpt")
    assert "a pickle can run code" in sega_vec(*line[:-1], "tiny.ckpt", exit_code=1).stderr
    (folder / "tiny.safetensors").write_text("x")
    assert "could not be loaded" in sega_vec(*line, exit_code=1).stderr
    (configured / "code.py").write_text("")
    (folder / "tiny.ckpt").rename(folder / "tiny.safetensors")
    assert "must not bring code of its own" in sega_vec(*line, exit_code=1).stderr


def test_from_a_picture(record: SegaVec, sega_vec: SegaVec, folder: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (21, 37, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("given.png")
    Image.fromarray(255 - pixels).save("other.png")
    record("--concept", "glasses", "--image", "given.png", "--strength", "0.9", "--output", "recorded")
    assert "give it again, with --image" in sega_vec(*APPLY, exit_code=2).stderr
    document = json.loads(sega_vec(*APPLY, "--image", "given.png", "--plain", "--json").stdout)
    assert [*document["differences"].values()] == [[]], "exact"
    for one, other in zip(sorted(Path("recorded").iterdir()), sorted(Path("sega-vec-out").iterdir()), strict=True):
        assert_alike(one, other)
        with Image.open(one) as picture:
            assert picture.size == (36, 20)
    changed = sega_vec(*APPLY, "--image", "other.png", exit_code=4)
    assert "was recorded with initial noise" in changed.stderr
    sega_vec(*APPLY, "--image", "other.png", "--allow", "noise", "--strength", "0.8")
