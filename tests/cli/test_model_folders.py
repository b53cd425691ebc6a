"""`sega-vec record --model FOLDER` with folders that are malformed or hostile: one line, and no pickle is read."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, DDPMPipeline, DDPMScheduler, FlowMatchEulerDiscreteScheduler, UNet2DModel
from safetensors.torch import load_file
from transformers import CLIPTextModel

from tests.cli.conftest import FEW, SegaVec
from tests.vectors.tiny import autoencoder, clip_config, stable_diffusion, stable_diffusion_xl

Change = Callable[[Path], object]
LACKS: Any = object()
RUN = "run.py"
CODE = "from pathlib import Path\nPath({!r}).touch()\nclass Model:\n    pass\n"


class Evil:
    """What leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self._mark,)


def mark(folder: Path) -> Path:
    return folder.parent / "mark"


def pickled(path: Path) -> None:
    """Put a pickle in a file's place, whatever its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(pickle.dumps(Evil(mark(path.parents[1]))))


def all_pickled(folder: Path, part: str) -> None:
    """A component with a pickle in place of each weight file."""
    for weights in (folder / part).glob("*.safetensors"):
        weights.rename(weights.with_suffix(".bin"))
        pickled(weights.with_suffix(".bin"))


def coded(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(CODE.format(str(mark(folder))))


def edited(name: str, **changes: Any) -> Change:
    """Some values of a JSON file replaced, added or taken out."""

    def change(folder: Path) -> None:
        content = {**json.loads((folder / name).read_text()), **changes}
        (folder / name).write_text(json.dumps({key: value for key, value in content.items() if value is not LACKS}))

    return change


index = partial(edited, "model_index.json")


def written(name: str, text: str | bytes) -> Change:
    return lambda folder: (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)


def sharded(part: str, shard: Any, suffix: str = "") -> Change:
    """A component whose index names one shard."""

    def change(folder: Path) -> None:
        (file,) = (folder / part).glob("*.safetensors")
        names = load_file(file)
        pickled(folder / part / "shard.bin")
        pickled(folder / "shards" / "shard.safetensors")
        pickled(folder.parent / "outside" / "shard.safetensors")
        content = {"metadata": {}, "weight_map": dict.fromkeys(names, shard) if shard is not None else []}
        file.with_name(f"{file.name}.index{suffix}.json").write_text(json.dumps(content))
        file.unlink()

    return change


def made_by(*changes: Change) -> Change:
    def change(folder: Path) -> None:
        for one in changes:
            one(folder)

    return change


def linked(name: str) -> Change:
    """A file or folder moved out, and a link to it left in its place."""

    def change(folder: Path) -> None:
        outside = folder.parent / "outside"
        (folder / name).rename(outside)
        (folder / name).symlink_to(outside)

    return change


def saved(build: Callable[[], Any]) -> Change:
    """Another pipeline in the model's place."""

    def change(folder: Path) -> None:
        shutil.rmtree(folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about weights without elements
            build().save_pretrained(folder)

    return change


def with_unet(**config: Any) -> Callable[[], Any]:
    def build() -> Any:
        pipe = stable_diffusion()
        pipe.unet = type(pipe.unet).from_config({**pipe.unet.config, **config})
        return pipe

    return build


def with_part(name: str, part: Callable[[], Any]) -> Callable[[], Any]:
    def build() -> Any:
        pipe = stable_diffusion()
        pipe.register_modules(**{name: part()})
        return pipe

    return build


def nested(folder: Path) -> None:
    """A pipeline of pickles as a component: diffusers loads it without `use_safetensors`."""
    stable_diffusion().save_pretrained(folder / "vae")
    for part in ("unet", "vae", "text_encoder"):
        all_pickled(folder / "vae", part)
    index(vae=["diffusers", "StableDiffusionPipeline"])(folder)


def without_prompts() -> DDPMPipeline:
    unet = UNet2DModel(
        block_out_channels=(8, 8), norm_num_groups=4, sample_size=16, down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
    )  # fmt: skip
    return DDPMPipeline(unet, DDPMScheduler())


def combined(folder: Path) -> None:
    index(_class_name="KandinskyV22CombinedPipeline")(folder)
    (folder / "README.md").write_text("---\nprior:\n- somebody/else\n---\n")


UNET, TEXT = "unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"

# What is done to a folder, and a part of the message.
CASES: dict[str, tuple[Change, str]] = {
    "no index": (lambda f: (f / "model_index.json").unlink(), "must hold model_index.json"),
    "an index that is a list": (written("model_index.json", "[1, 2]"), "must be a JSON object, met [1, 2]"),
    "an index that is a number": (written("model_index.json", "7"), "must be a JSON object, met 7"),
    "an index that is no JSON": (written("model_index.json", "{"), "must be JSON"),
    "an index in no encoding": (written("model_index.json", b"\xff\xfe\x00{"), "must be JSON"),
    "an index nested too deep": (written("model_index.json", "[" * 100_000), "must be JSON"),
    "an empty index": (written("model_index.json", "{}"), "_class_name in"),
    "no class": (index(_class_name=None), "must be a pipeline of diffusers"),
    "an unknown class": (index(_class_name="EvilPipeline"), "met 'EvilPipeline'"),
    "a class that is a long text": (index(_class_name="x\n" * 9999), "must be a pipeline of diffusers"),
    "a class in a file": (made_by(index(_class_name=["run", "Model"]), lambda f: coded(f, RUN)), "['run', 'Model']"),
    "a community pipeline": (index(_class_name=["lpw_stable_diffusion", "X"]), "['lpw_stable_diffusion', 'X']"),
    "a file that diffusers looks for": (lambda f: coded(f, "None.py"), "must not bring code of its own"),
    "a pipeline of no kind": (index(_class_name="DiffusionPipeline"), "DiffusionPipeline takes none"),
    "a model's class": (index(_class_name="UNet2DConditionModel"), "met 'UNet2DConditionModel'"),
    "a module": (index(_class_name="loaders"), "met 'loaders'"),
    "a pipeline of ONNX": (index(_class_name="OnnxStableDiffusionPipeline"), "must be a pipeline of diffusers"),
    "a pipeline that fetches another": (combined, "loads another model"),
    "a part that is null": (index(unet=None), "give unet as [library, class], met None"),
    "a part of nulls": (index(tokenizer=[None, None]), "give tokenizer as [library, class]"),
    "a part left out": (index(scheduler=LACKS), "give scheduler as [library, class]"),
    "a part of three": (index(vae=["diffusers", "AutoencoderKL", "x"]), "give vae as [library, class]"),
    "a part that is a text": (index(vae="AutoencoderKL"), "give vae as [library, class]"),
    "a part of numbers": (index(vae=[1, 2]), "give vae as [library, class]"),
    "another library": (index(unet=["os", "system"]), "met ['os', 'system']"),
    "the library of this project": (index(unet=["sega_vectors", "Recorder"]), "met ['sega_vectors', 'Recorder']"),
    "a library in a folder": (made_by(index(unet=["../run", "Model"]), lambda f: coded(f, RUN)), "['../run', 'Model']"),
    "a part in a file": (made_by(index(unet=["run", "Model"]), lambda f: coded(f, "unet/run.py")), "['run', 'Model']"),
    "a part of an unknown class": (index(unet=["diffusers", "EvilModel"]), "met ['diffusers', 'EvilModel']"),
    "a part that is a function": (index(unet=["diffusers", "logging"]), "met ['diffusers', 'logging']"),
    "a part of any class": (index(text_encoder=["transformers", "AutoModel"]), "met ['transformers', 'AutoModel']"),
    "a part that unpickles": (index(tokenizer=["transformers", "RagRetriever"]), "'RagRetriever'"),
    "a pipeline as a part": (nested, "met ['diffusers', 'StableDiffusionPipeline']"),
    "one by another name": (index(vae=["diffusers", "FlashPackDiffusionPipeline"]), "FlashPackDiffusionPipeline"),
    "one by its module": (index(vae=["stable_diffusion", "StableDiffusionPipeline"]), "'StableDiffusionPipeline'"),
    "a shard that is a pickle": (sharded("unet", "shard.bin"), "met 'shard.bin'"),
    "a text encoder's shard": (sharded("text_encoder", "shard.bin"), "met 'shard.bin'"),
    "a variant's shard": (sharded("vae", "shard.bin", ".fp16"), "met 'shard.bin'"),
    "a shard above": (sharded("unet", "../../outside/shard.safetensors"), "met '../../outside/shard.safetensors'"),
    "a shard anywhere": (sharded("text_encoder", "/etc/passwd"), "met '/etc/passwd'"),
    "a shard below": (sharded("unet", "../shards/shard.safetensors"), "beside itself"),
    "a shard that isn't there": (sharded("unet", "none.safetensors"), "met 'none.safetensors'"),
    "a shard that is a number": (sharded("unet", 7), "met 7"),
    "a list of shards": (sharded("unet", None), "weight_map in"),
    "a pickled denoiser": (lambda f: all_pickled(f, "unet"), "a pickle can run code"),
    "a pickled text encoder": (lambda f: all_pickled(f, "text_encoder"), "safe_serialization=True"),
    "a pickle called safetensors": (lambda f: pickled(f / UNET), "could not be loaded"),
    "a text encoder of that name": (lambda f: pickled(f / TEXT), "could not be loaded"),
    "no weights": (lambda f: (f / UNET).unlink(), "has none"),
    "cut weights": (lambda f: os.truncate(f / UNET, 1000), "could not be loaded"),
    "a folder left out": (lambda f: shutil.rmtree(f / "vae"), "has none"),
    "a tokenizer left out": (lambda f: shutil.rmtree(f / "tokenizer"), "the model failed as it ran"),
    "a link out": (linked(UNET), "is a link out of it"),
    "a folder's link out": (linked("unet"), "is a link out of it"),
    "a link to nothing": (lambda f: (f / "x").symlink_to(f / "y"), "files and folders only"),
    "a pipe": (lambda f: os.mkfifo(f / "unet" / "config2.json"), "files and folders only"),
    "an adapter": (written("text_encoder/adapter_config.json", "{}"), "merge it into the model"),
    "an adapter named as weights": (
        made_by(
            edited("text_encoder/config.json", transformers_weights="adapter_model.bin"),
            lambda f: pickled(f / "text_encoder/adapter_model.bin"),
        ),
        "met transformers_weights 'adapter_model.bin'",
    ),
    "code of the Hub": (edited("text_encoder/config.json", auto_map={"AutoModel": "x/y--run.Model"}), "met auto_map"),
    "code that is trusted": (edited("tokenizer/tokenizer_config.json", trust_remote_code=True), "met trust_remote"),
    "a kernel of the Hub": (
        edited("text_encoder/config.json", x=[{"_attn_implementation_internal": "evil/kernel"}]),
        "met _attn_implementation_internal 'evil/kernel'",
    ),
    "a configuration that is a list": (written("unet/config.json", "[]"), "must be a JSON object"),
    "a configuration left out": (lambda f: (f / "unet/config.json").unlink(), "could not be loaded"),
    "a configuration of wrong types": (edited("unet/config.json", block_out_channels="x"), "could not be loaded"),
    "a configuration of other sizes": (edited("unet/config.json", cross_attention_dim=8), "could not be loaded"),
    "a scheduler of wrong types": (edited("scheduler/scheduler_config.json", beta_start="x"), "could not be loaded"),
    "a broken tokenizer": (written("tokenizer/tokenizer.json", '{"model": 3}'), "could not be loaded"),
    "a tokenizer that panics": (
        edited("tokenizer/tokenizer.json", normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
        "could not be loaded",
    ),
    "no channels": (saved(with_unet(in_channels=0)), "its unet has in_channels 0"),
    "channels as a text": (edited("unet/config.json", in_channels="4"), "could not be loaded"),
    "an inpainting model": (saved(with_unet(in_channels=9)), "takes 9 and predicts 4"),
    "a model without prompts": (saved(without_prompts), "DDPMPipeline takes none"),
    "half a tokenizer": (made_by(saved(stable_diffusion_xl), index(tokenizer=[None, None])), "has no tokenizer"),
    "no text encoder": (
        made_by(saved(stable_diffusion_xl), index(text_encoder=[None, None], text_encoder_2=[None, None])),
        "has no text_encoder",
    ),
    "a text encoder of another width": (
        saved(with_part("text_encoder", lambda: CLIPTextModel(clip_config(hidden_size=16)))),
        "the model failed as it ran",
    ),
    "a text encoder of fewer words": (
        saved(with_part("text_encoder", lambda: CLIPTextModel(clip_config(vocab_size=9)))),
        "the model failed as it ran",
    ),
    "a scheduler of another kind": (
        saved(with_part("scheduler", FlowMatchEulerDiscreteScheduler)),
        "FlowMatchEulerDiscreteScheduler",
    ),
    "an autoencoder of other channels": (
        saved(with_part("vae", lambda: AutoencoderKL.from_config({**autoencoder().config, "latent_channels": 6}))),
        "the model failed as it ran",
    ),
}  # fmt: skip


@pytest.fixture
def model(folder: Path, tiny_model: str) -> Path:
    """A copy of the tiny model, in a folder of its own."""
    return Path(shutil.copytree(tiny_model, folder / "strangers" / "model"))


@pytest.fixture
def unsafe(monkeypatch: pytest.MonkeyPatch) -> None:
    """`torch.load` as it was before `weights_only`: whatever reaches it is unpickled."""

    def load(file: Any, *_: Any, **__: Any) -> Any:
        return pickle.loads(Path(file).read_bytes())

    monkeypatch.setattr(torch, "load", load)


def record(sega_vec: SegaVec, model: Path) -> Any:
    return sega_vec("record", "a man", "--concept", "hat", "--model", str(model), *FEW, exit_code=1)


@pytest.mark.usefixtures("unsafe")
@pytest.mark.parametrize("case", CASES)
def test_a_malformed_folder_is_refused_in_a_line(case: str, model: Path, sega_vec: SegaVec) -> None:
    change, message = CASES[case]
    change(model)
    result = record(sega_vec, model)
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert result.stderr.splitlines() == lines
    assert len(lines) == 1
    assert message in lines[0]
    assert result.stdout == ""
    assert not mark(model).exists()


@pytest.mark.usefixtures("unsafe")
def test_whatever_reached_torch_load_would_be_noticed(model: Path) -> None:
    all_pickled(model, "unet")
    torch.load(model / "unet" / "diffusion_pytorch_model.bin")
    assert mark(model).exists()


@pytest.mark.usefixtures("unsafe")
def test_pickles_beside_safetensors_are_not_read(model: Path, sega_vec: SegaVec) -> None:
    pickled(model / "unet" / "diffusion_pytorch_model.bin")
    pickled(model / "text_encoder" / "pytorch_model.bin")
    (model / "text_encoder" / "pytorch_model.bin.index.json").write_text('{"weight_map": {"x": "pytorch_model.bin"}}')
    sega_vec("record", "a man", "--concept", "hat", "--model", str(model), *FEW)
    assert not mark(model).exists()


@pytest.mark.parametrize("case", ["a shard that is a pickle", "a text encoder of another width"])
def test_another_process_prints_one_line(case: str, model: Path) -> None:
    CASES[case][0](model)
    line = [sys.executable, "-m", "sega_cli", "record", "a man", "--concept", "hat", "--model", str(model), *FEW]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    (message,) = done.stderr.splitlines()
    assert message.startswith("Error: ")
    assert CASES[case][1] in message
    assert not mark(model).exists()
